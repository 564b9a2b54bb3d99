import { Kafka } from "tablog/inline";
import { show } from "./show.js";

show(new Kafka({ clientId: "app" }));
