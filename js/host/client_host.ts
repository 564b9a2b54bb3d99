// Hosts clients' state machines: in a dedicated worker, or in the page's own thread.
import { AdminClient, ConsumerClient, initSync, ProducerClient } from "../bindings.js";
import { addressOf, nodeAt } from "./address.js";
import { errorObject } from "./failure.js";
import { beWatched } from "./liveness.js";
import type {
  Alive,
  ClientKind,
  Dial,
  FromClientHost,
  Liveness,
  ToClientHost,
} from "./messages.js";

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
  readonly #tell: (message: FromClientHost | Alive) => void;
  /** To brokers, by node id. */
  readonly #wires = new Map<number, MessagePort>();
  readonly #clients = new Set<Client>();

  constructor(tell: (message: FromClientHost | Alive) => void) {
    this.#tell = tell;
  }

  handle(message: ToClientHost): void {
    switch (message.type) {
      case "start":
        void this.#start(message.module, message.liveness);
        break;
      case "wire":
        this.#wire(message.nodeId, message.port);
        break;
      case "create":
        this.#create(message.kind, message.options, message.port);
    }
  }

  /** Gives up its wires: who dials finds nobody. */
  end(): void {
    for (const port of this.#wires.values()) port.close();
    this.#wires.clear();
  }

  async #start(module: WebAssembly.Module, liveness: Liveness | null): Promise<void> {
    try {
      initSync({ module });
      this.#tell({ type: "alive", watched: await beWatched(liveness) });
    } catch (error) {
      this.#tell({ type: "failed", error: errorObject(error) });
    }
  }

  /** A broker that is gone, or was replaced, leaves connections that lead nowhere. */
  #wire(nodeId: number, port: MessagePort | null): void {
    this.#wires.get(nodeId)?.close();
    if (port === null) this.#wires.delete(nodeId);
    else this.#wires.set(nodeId, port);
    const address = addressOf(nodeId);
    for (const client of this.#clients) client.disconnect(address.host, address.port);
  }

  #create(kind: ClientKind, options: object, port: MessagePort): void {
    const edge = {
      connect: (_host: string, port: number) => this.#dial(nodeAt(port)),
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

  /** A connection to a broker, or null while there is none: the client tries again. */
  #dial(nodeId: number): MessagePort | null {
    const wire = this.#wires.get(nodeId);
    if (wire === undefined) return null;
    const { port1, port2 } = new MessageChannel();
    wire.postMessage({ port: port2 } satisfies Dial, [port2]);
    return port1;
  }
}
