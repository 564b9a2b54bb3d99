import { Kafka } from "tablog";
import { roundTrip } from "./round-trip.js";

test("a broker for the tests of a page", async () => {
  expect(document.body).toBeDefined();
  const kafka = new Kafka({ storage: "memory", logLevel: 0 });
  expect(await roundTrip(kafka)).toBe("hello");
});
