// A page with nothing but the package, for tests that say themselves what they do with it.
import * as tablog from "tablog";
import { hangingAfter } from "./settling";

/** What an application can tell of an error. */
export interface Told {
  name: string;
  type: string;
  code: number;
  retriable: boolean;
  message: string;
  topic?: string | undefined;
  partition?: number | undefined;
}

/** The error that this fails with, as plain data. */
async function failure(doing: () => unknown): Promise<Told | "it succeeded"> {
  try {
    await doing();
  } catch (error) {
    if (!(error instanceof tablog.KafkaJSError)) throw error;
    const { name, type, code, retriable, message, topic, partition } = error;
    return { name, type, code, retriable, message, topic, partition };
  }
  return "it succeeded";
}

/** A cluster of that name. */
function open(cluster: string, config: Partial<tablog.KafkaConfig> = {}): tablog.Kafka {
  return new tablog.Kafka({ cluster, logLevel: tablog.logLevel.NOTHING, ...config });
}

/** The values of a topic's messages, in each partition's order, as far as its high watermarks. */
async function read(
  kafka: tablog.Kafka,
  topic: string,
  groupId = crypto.randomUUID(),
): Promise<string[]> {
  const admin = kafka.admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  const expected = offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
  const values: string[] = [];
  if (expected === 0) return values;
  const consumer = kafka.consumer({ groupId });
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  for await (const { message } of consumer.messages()) {
    values.push(message.value?.toString() ?? "");
    if (values.length === expected) break;
  }
  await consumer.disconnect();
  return values;
}

globalThis.app = { ...tablog, failure, open, read, hangingAfter };
document.body.textContent = "ready";

declare global {
  var app: typeof tablog & {
    failure: typeof failure;
    open: typeof open;
    read: typeof read;
    hangingAfter: typeof hangingAfter;
  };
}
