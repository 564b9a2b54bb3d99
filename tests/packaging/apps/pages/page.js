import { show } from "./show.js";

// What is imported, and the options of `new Kafka()`, are the page's parameters.
const parameters = new URLSearchParams(location.search);
const { Kafka } = await import(parameters.get("entry"));
const { makes, ...options } = JSON.parse(parameters.get("options") ?? "{}");
if (makes) options.worker = (name) => new Worker(makes, { name });
show(new Kafka(options));
