// Where brokers say that they are. Clients dial by address, as Kafka's metadata names it.

const HOST = "localhost";
/** Of a broker with node id 0, which there is none of; see `advertised_port` in `broker_node.rs`. */
const PORT_0 = 9091;

export function addressOf(nodeId: number): { host: string; port: number } {
  return { host: HOST, port: PORT_0 + nodeId };
}

export function nodeAt(port: number): number {
  return port - PORT_0;
}
