// The entry that has worker and wasm inside: nothing is fetched, and a bundler has nothing to emit.
import { inlined } from "./inlined.js";
import { BaseKafka } from "./kafka.js";
import type { Arrival } from "./types/arrival.js";
import { blobUrl } from "./platform/spawn_worker.js";
import type { KafkaConfig } from "./types/config.js";
import type { AnyTopics, TopicMap } from "./types/topics.js";

export * from "./exports.js";

const inside: Arrival = {
  worker: () => blobUrl(inlined.workerScript),
  wasm: async () => {
    const gzip = Uint8Array.from(atob(inlined.wasmGzip), (char) => char.charCodeAt(0));
    const stream = new Blob([gzip]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  },
};

export class Kafka<Topics extends TopicMap<Topics> = AnyTopics> extends BaseKafka<Topics> {
  constructor(config: KafkaConfig = {}) {
    super(config, inside);
  }
}
