// The only worker script. Its first message says whether it hosts the broker or clients.
import { BrokerHost } from "./host/broker_host.js";
import { ClientHost } from "./host/client_host.js";
import type {
  Alive,
  FromBrokerHost,
  FromClientHost,
  ToBrokerHost,
  ToClientHost,
} from "./host/messages.js";

type First = (ToBrokerHost | ToClientHost) & { type: "start" };

// The library of DOM types describes a window; this is a worker.
const scope = self as unknown as {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: FromBrokerHost | FromClientHost | Alive): void;
};

scope.onmessage = ({ data: first }: MessageEvent<First>) => {
  const tell = scope.postMessage.bind(scope);
  if ("options" in first) {
    const host = new BrokerHost(tell);
    scope.onmessage = ({ data }: MessageEvent<ToBrokerHost>) => {
      host.handle(data);
    };
    host.handle(first);
  } else {
    const host = new ClientHost(tell);
    scope.onmessage = ({ data }: MessageEvent<ToClientHost>) => {
      host.handle(data);
    };
    host.handle(first);
  }
};
