import { Kafka } from "tablog";
import { expect, test } from "vitest";
import { roundTrip } from "./round-trip.js";

test("a broker for the tests of a service", async () => {
  const kafka = new Kafka({ storage: "memory", logLevel: 0 });
  expect(await roundTrip(kafka)).toBe("hello");
});
