// What is asked of the package while its workers die, by the table of calls.
import * as tablog from "tablog";
import { type Calls, calls as kinds, handed } from "../../js/calls.mjs";

/**
 * How long anything may take: sessions of members that died are over, and requests were retried, but
 * nobody has waited for a handler in vain.
 */
const SETTLE_MS_MAX = 25_000;
/** After which workers are there that have not begun to serve. */
const WORKERS_MS = 100;
const [topic, sessionTimeout] = ["events", 6_000];

/** A call that is to be made, of somebody for whom it alone is made. */
interface Row {
  name: string;
  call: () => unknown;
}
type Table = Calls<object>;
type Kind = keyof typeof kinds;
/** Gives what is called, and from where. */
type Make = (
  kafka: tablog.Kafka,
  kind: Kind,
) => Promise<{ client: object; enter?: (call: () => unknown) => unknown }>;

interface Situation {
  kinds: Kind[];
  make: Make;
  table?: Table;
}

/** What a handler can ask of its consumer without waiting for its own end, which is 30 s. */
const BY_HANDLER = Object.fromEntries(
  Object.entries(kinds.consumer).filter(([name]) => !["stop", "disconnect"].includes(name)),
) as Table;

const consumerOf = (kafka: tablog.Kafka) =>
  kafka.consumer({ groupId: crypto.randomUUID(), sessionTimeout });
const eachMessage = () => Promise.resolve();

async function made(kafka: tablog.Kafka, kind: Kind) {
  if (kind === "kafka") return { client: kafka, connect: () => kafka.admin().connect() };
  if (kind === "producer" || kind === "admin") {
    const client = kafka[kind]();
    return { client, connect: () => client.connect() };
  }
  const consumer = consumerOf(kafka);
  await consumer.subscribe({ topic, fromBeginning: true });
  const client = kind === "loop" ? consumer.messages() : consumer;
  return { client, connect: () => consumer.connect() };
}

/** A consumer that is in its handler, which ends with the call that is made in it the first time. */
function inHandler(
  kafka: tablog.Kafka,
  kind: "eachMessage" | "eachBatch",
  of: "owner" | "payload",
) {
  return new Promise<Awaited<ReturnType<Make>>>((resolve, reject) => {
    const owner = consumerOf(kafka);
    let left: Promise<void> | undefined;
    const handle = (payload: object) =>
      (left ??= new Promise<void>((leave) => {
        const enter = async (call: () => unknown) => {
          try {
            await call();
          } finally {
            leave();
          }
        };
        resolve({ client: of === "owner" ? owner : payload, enter });
      }));
    owner
      .subscribe({ topic, fromBeginning: true })
      .then(() => owner.run({ [kind]: handle }))
      .catch(reject);
  });
}

const SITUATIONS = {
  "clients that connect": {
    kinds: ["kafka", "producer", "consumer", "loop", "admin"],
    make: made,
  },
  "clients that are connected": {
    kinds: ["kafka", "producer", "consumer", "loop", "admin"],
    make: async (kafka, kind) => {
      const { client, connect } = await made(kafka, kind);
      await connect();
      return { client };
    },
  },
  "a consumer that joins": {
    kinds: ["consumer"],
    make: async (kafka, kind) => {
      const { client, connect } = await made(kafka, kind);
      await connect();
      void (client as tablog.Consumer).run({ eachMessage });
      return { client };
    },
  },
  "a consumer that runs": {
    kinds: ["consumer"],
    make: async (kafka, kind) => {
      const { client } = await made(kafka, kind);
      await (client as tablog.Consumer).run({ eachMessage });
      return { client };
    },
  },
  "a loop that has a message in hand": {
    kinds: ["loop"],
    make: async (kafka, kind) => {
      const { client } = await made(kafka, kind);
      await (client as ReturnType<tablog.Consumer["messages"]>).next();
      return { client };
    },
  },
  "a consumer by its handler": {
    kinds: ["consumer"],
    make: (kafka) => inHandler(kafka, "eachMessage", "owner"),
    table: BY_HANDLER,
  },
  "a handler's payload": {
    kinds: ["consumer"],
    make: (kafka) => inHandler(kafka, "eachBatch", "payload"),
    table: handed.eachBatch as Table,
  },
} satisfies Record<string, Situation>;

export type Who = keyof typeof SITUATIONS;

/** Makes all calls while `kill` ends workers; gives those that do not settle. */
export async function hangingAfter(
  who: Who,
  storage: "indexeddb" | "memory",
  kill: () => void,
): Promise<string[]> {
  const situation: Situation = SITUATIONS[who];
  const connects = who === "clients that connect";
  // A cluster of its own for each kind: a call of a Kafka closes it.
  const asked = await Promise.all(
    situation.kinds.map(async (kind) => {
      const cluster = crypto.randomUUID();
      const kafka = new tablog.Kafka({ cluster, storage, logLevel: tablog.logLevel.NOTHING });
      if (!connects) await send(kafka);
      return { kafka, rows: await rowsOf(kafka, kind, situation) };
    }),
  );
  const settled = asked.flatMap(({ rows }) => rows).map(({ name, call }) => settles(name, call));
  if (connects) await new Promise((resolve) => setTimeout(resolve, WORKERS_MS));
  kill();
  // So that a loop has something to wait for; a cluster that is closed, or was lost, refuses.
  const sent = asked.map(({ kafka }) => settles("a send", () => send(kafka)));
  const hanging = await Promise.all([...settled, ...sent]);
  const closed = asked.map(({ kafka }) => settles("a close afterwards", () => kafka.close()));
  return [...hanging, ...(await Promise.all(closed))].filter((name) => name !== "");
}

async function rowsOf(kafka: tablog.Kafka, kind: Kind, situation: Situation): Promise<Row[]> {
  const table = situation.table ?? (kinds[kind] as Table);
  const { signal } = new AbortController();
  return Promise.all(
    Reflect.ownKeys(table).map(async (name) => {
      const { client, enter = (call) => call() } = await situation.make(kafka, kind);
      const call = () => enter(() => table[name]?.(client, signal));
      return { name: `${String(name)} of a ${kind}`, call };
    }),
  );
}

async function send(kafka: tablog.Kafka): Promise<void> {
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic, messages: [{ value: "one" }] });
}

/** Its name if it has not settled in time, else "". It may fail with an error of the package. */
async function settles(name: string, call: () => unknown): Promise<string> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const called = new Promise((resolve) => {
    resolve(call());
  });
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, SETTLE_MS_MAX, "late");
  });
  try {
    const outcome = await Promise.race([called, late]);
    return outcome === "late" ? name : "";
  } catch (error) {
    if (error instanceof tablog.KafkaJSError) return "";
    const { message } = error as Error;
    return message === "of the loop" ? "" : `${name}: ${message}`;
  } finally {
    clearTimeout(timer);
  }
}
