// The only worker script. Its name says which role it plays.
import { BrokerHost } from "./host/broker_host.js";
import { ClientHost } from "./host/client_host.js";
import type {
  FromBrokerHost,
  FromClientHost,
  ToBrokerHost,
  ToClientHost,
} from "./host/messages.js";

// The library of DOM types describes a window; this is a worker.
const scope = self as unknown as {
  name: string;
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: FromBrokerHost | FromClientHost): void;
};

if (scope.name === "tablog-broker") {
  const host = new BrokerHost((message) => {
    scope.postMessage(message);
  });
  scope.onmessage = (event: MessageEvent<ToBrokerHost>) => {
    host.handle(event.data);
  };
} else {
  const host = new ClientHost((message) => {
    scope.postMessage(message);
  });
  scope.onmessage = (event: MessageEvent<ToClientHost>) => {
    host.handle(event.data);
  };
}
