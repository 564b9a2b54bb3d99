import { roundTrip } from "./round-trip.js";

/** Writes into the page what came of it. */
export async function show(kafka) {
  const output = document.querySelector("output");
  try {
    output.textContent = `consumed ${await roundTrip(kafka)}`;
  } catch (error) {
    output.textContent = `${error.type}: ${error.stack}`;
  }
}
