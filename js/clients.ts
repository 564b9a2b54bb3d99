// Clients as programs name their types.
import type { Admin as AdminClass } from "./admin/admin.js";
import type { Consumer as ConsumerClass } from "./consumer/consumer.js";
import type { Producer as ProducerClass } from "./producer/producer.js";

/**
 * What a client has for programs. A class with private fields takes nothing but its own instances,
 * and programs pass doubles and copies of clients (`{ ...producer, send }`).
 */
type Open<Client> = Pick<Client, keyof Client>;

/** Sends messages. */
export type Producer = Open<ProducerClass>;
/** Reads messages as a member of a group. */
export type Consumer = Open<ConsumerClass>;
/** Creates, describes, changes and deletes topics, offsets and groups. */
export type Admin = Open<AdminClass>;
