import assert from "node:assert/strict";
import test from "node:test";

test("importing the package does nothing", async () => {
  const globalsBefore = Object.getOwnPropertyNames(globalThis);
  const resourcesBefore = process.getActiveResourcesInfo();
  const fetched = test.mock.method(globalThis, "fetch");
  const compiled = test.mock.method(WebAssembly, "compile");
  const instantiated = test.mock.method(WebAssembly, "instantiate");
  await import("tablog");
  assert.deepEqual(Object.getOwnPropertyNames(globalThis), globalsBefore);
  assert.deepEqual(process.getActiveResourcesInfo(), resourcesBefore);
  for (const called of [fetched, compiled, instantiated]) assert.equal(called.mock.callCount(), 0);
});
