import { Kafka } from "tablog";
import { roundTrip } from "./round-trip.js";

console.log(`consumed ${await roundTrip(new Kafka({ storage: "memory", logLevel: 0 }))}`);
