// Hosts clients' state machines: in a dedicated worker, or in the page's own thread.
import { AdminClient, ConsumerClient, initSync, ProducerClient } from "../bindings.js";
import { beWatched } from "./liveness.js";
import type { ClientKind, Dial, FromClientHost, Liveness, ToClientHost } from "./messages.js";

const CLASSES = { producer: ProducerClient, consumer: ConsumerClient, admin: AdminClient };
type Client = InstanceType<(typeof CLASSES)[ClientKind]>;

/** A command of the state machine, or the host's own: whether anybody listens to the network. */
interface ToClient {
  type: string;
  id?: number;
  on?: boolean;
}

/** Answers the page's messages with `tell`; each client then has a port of its own. */
export class ClientHost {
  readonly #tell: (message: FromClientHost) => void;
  #wire: MessagePort | null = null;
  readonly #clients = new Set<Client>();

  constructor(tell: (message: FromClientHost) => void) {
    this.#tell = tell;
  }

  handle(message: ToClientHost): void {
    switch (message.type) {
      case "start":
        initSync({ module: message.module });
        void this.#start(message.liveness);
        break;
      case "wire":
        this.#wire?.close();
        this.#wire = message.port;
        for (const client of this.#clients) client.disconnectAll();
        break;
      case "create":
        this.#create(message.kind, message.options, message.port);
    }
  }

  async #start(liveness: Liveness | null): Promise<void> {
    this.#tell({ type: "running", watched: await beWatched(liveness) });
  }

  #create(kind: ClientKind, options: object, port: MessagePort): void {
    const edge = {
      connect: () => this.#dial(),
      output: (output: object, transfer: ArrayBuffer[]) => {
        port.postMessage(output, transfer);
      },
    };
    let client: Client;
    try {
      client = new CLASSES[kind](options, edge);
    } catch (error) {
      port.postMessage({ type: "refused", error });
      return;
    }
    this.#clients.add(client);
    port.onmessage = (event: MessageEvent<ToClient | null>) => {
      if (event.data === null) {
        this.#clients.delete(client);
        port.close();
        client.free();
        return;
      }
      if (event.data.type === "observe") {
        client.observe(event.data.on ?? false);
        return;
      }
      try {
        client.command(event.data);
      } catch (error) {
        port.postMessage({ type: "refused", id: event.data.id, error });
      }
    };
  }

  /** A connection to the broker, or null while there is none: the client tries again. */
  #dial(): MessagePort | null {
    if (this.#wire === null) return null;
    const { port1, port2 } = new MessageChannel();
    this.#wire.postMessage({ port: port2 } satisfies Dial, [port2]);
    return port1;
  }
}
