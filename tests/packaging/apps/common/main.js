import { Kafka } from "tablog";
import { show } from "./show.js";

show(new Kafka({ clientId: "app" }));
