import type { Admin } from "tablog";
import { kafkaAs } from "./cluster.ts";
import type { Ledger } from "./ledger.ts";

// A path, since the package vega-datasets exports no file.
const FLIGHTS_URL = new URL(
  "../../../node_modules/vega-datasets/data/flights-20k.json",
  import.meta.url,
);

export const FLIGHTS_TOPIC = "flights";
export const FLIGHTS_CLIENT_ID = "flights-loader";
const FLIGHTS_PARTITIONS = 6;
const SEND_RECORDS = 250;
/** Sends that wait for their answer at once. The producer keeps their order. */
const SENDS_IN_FLIGHT_MAX = 4;

interface Flight {
  /** Such as `2001/01/01 00:47`, read as UTC. */
  date: string;
  delay: number;
  distance: number;
  origin: string;
  destination: string;
}

/** Departures of the first quarter of 2001, US Bureau of Transportation Statistics. */
export class FlightsLoad {
  total = 0;
  acked = 0;
  running = true;

  /** Creates the topic when it is not there, and produces all records in their order. */
  async run(admin: Admin, ledger: Ledger, changed: () => void): Promise<void> {
    const producer = kafkaAs(FLIGHTS_CLIENT_ID).producer();
    try {
      await admin.createTopics({
        waitForLeaders: true,
        topics: [
          {
            topic: FLIGHTS_TOPIC,
            numPartitions: FLIGHTS_PARTITIONS,
            // They are of 2001: Kafka's default of seven days would rightly delete them.
            configEntries: [{ name: "retention.ms", value: "-1" }],
          },
        ],
      });
      const flights = await fetchFlights();
      this.total = flights.length;
      changed();
      await producer.connect();
      const sends = new Set<Promise<void>>();
      for (let from = 0; from < flights.length; from += SEND_RECORDS) {
        const messages = flights.slice(from, from + SEND_RECORDS).map((flight) => ({
          key: flight.origin,
          value: JSON.stringify(flight),
          timestamp: String(timestampOf(flight)),
        }));
        const send = ledger
          .enter(FLIGHTS_TOPIC, messages.length, () =>
            producer.send({ topic: FLIGHTS_TOPIC, messages }),
          )
          .then(() => {
            this.acked += messages.length;
            changed();
          });
        sends.add(send);
        const settled = (): boolean => sends.delete(send);
        send.then(settled, settled);
        if (sends.size >= SENDS_IN_FLIGHT_MAX) await Promise.race(sends);
      }
      await Promise.all(sends);
    } finally {
      this.running = false;
      changed();
      await producer.disconnect();
    }
  }
}

async function fetchFlights(): Promise<Flight[]> {
  const response = await fetch(FLIGHTS_URL);
  if (!response.ok) throw new Error(`${response.url} answers ${response.status}`);
  return (await response.json()) as Flight[];
}

function timestampOf({ date }: Flight): number {
  return Date.parse(`${date.replaceAll("/", "-").replace(" ", "T")}:00Z`);
}
