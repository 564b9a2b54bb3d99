import assert from "node:assert/strict";
import { test } from "node:test";
import { Kafka } from "tablog";
import { Kafka as InlineKafka } from "tablog/inline";
import { roundTrip } from "./round-trip.js";

for (const [entry, Class] of Object.entries({ tablog: Kafka, "tablog/inline": InlineKafka })) {
  test(`a broker for the tests of a service, from ${entry}`, async () => {
    const kafka = new Class({ storage: "memory", logLevel: 0 });
    assert.equal(await roundTrip(kafka), "hello");
  });
}
