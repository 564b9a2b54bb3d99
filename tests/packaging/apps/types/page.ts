import { Kafka } from "tablog";

const worker = (name: string): Worker => new Worker("/worker.js", { type: "module", name });
new Kafka({ worker, wasm: new URL("https://cdn.example/tablog.wasm") });
new Kafka({ worker: new URL("https://cdn.example/worker.js"), wasm: await fetch("/tablog.wasm") });
new Kafka({ wasm: await WebAssembly.compile(new Uint8Array(8)) });
// @ts-expect-error a worker that cannot be talked to
new Kafka({ worker: () => document.body });

const { signal } = new AbortController();
await new Kafka().producer().connect({ signal });

export {};
