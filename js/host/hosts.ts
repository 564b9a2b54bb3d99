// What runs without workers, and with the wasm's glue: a page that has workers does not load it.
export { BrokerHost } from "./broker_host.js";
export { ClientHost } from "./client_host.js";
