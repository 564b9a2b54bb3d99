import { type Admin, Kafka, logLevel } from "tablog";

/** The cluster of the playground. Its databases are called `tablog:playground:…`. */
export const CLUSTER = "playground";

/** The client of what the page itself asks: surveys, and records that somebody clicked. */
export const PAGE_CLIENT_ID = "playground";

/**
 * A Kafka that calls itself `clientId`. All share the page's one broker, so that frames tell which
 * producer or member they belong to.
 */
export function kafkaAs(clientId: string): Kafka {
  return new Kafka({
    clientId,
    cluster: CLUSTER,
    logLevel: logLevel.NOTHING,
    // Kafka's three seconds are for clusters; here somebody waits and looks.
    brokerConfig: { "group.initial.rebalance.delay.ms": "300" },
  });
}

/** What the page asks and commands the cluster by. */
export class Cluster {
  readonly kafka = kafkaAs(PAGE_CLIENT_ID);
  readonly admin: Admin = this.kafka.admin();
}
