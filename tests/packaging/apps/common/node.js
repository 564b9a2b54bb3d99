import { roundTrip } from "./round-trip.js";

console.log(`consumed ${await roundTrip({ storage: "memory" })}`);
