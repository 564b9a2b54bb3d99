import { roundTrip } from "./round-trip.js";

const output = document.querySelector("output");
roundTrip({}).then(
  (value) => {
    output.textContent = `consumed ${value}`;
  },
  (error) => {
    output.textContent = `failed: ${error.stack}`;
  },
);
