// A client's way to its state machine: commands go, each is answered once, events come unasked.
import type { Cluster } from "../cluster/cluster.js";
import { asError } from "../errors/error_object.js";
import type { KafkaJSError } from "../errors/errors.js";
import type { ClientKind } from "../host/messages.js";
import type { NetworkInstrumentation } from "./instrumentation.js";
import type { AbortSignalLike } from "../types/abortable.js";

/** A command, without the `id` that names its answer. */
export type Command = { type: string } & Record<string, unknown>;

/** What comes back. */
interface Output {
  type: string;
  id?: number;
  error?: unknown;
  name?: string;
  payload?: unknown;
}

/** Something that happened in the state machine. */
export interface ClientEvent {
  name: string;
  payload: unknown;
}

interface Waiting {
  resolve: (output: never) => void;
  reject: (error: KafkaJSError) => void;
}

export class CommandPort {
  readonly #port: MessagePort;
  readonly #onEvent: (event: ClientEvent) => void;
  readonly #ended: () => void;
  readonly #unobserve: (() => void) | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #failure: KafkaJSError | undefined;
  #freed = false;

  constructor(
    cluster: Cluster,
    kind: ClientKind,
    options: object,
    instrumentation?: NetworkInstrumentation,
    onEvent: (event: ClientEvent) => void = () => undefined,
  ) {
    this.#onEvent = (event) => {
      if (event.name.startsWith("network.")) {
        instrumentation?.emitNetwork(event.name, event.payload);
      } else onEvent(event);
    };
    const { port, ended } = cluster.client(kind, options, (error) => {
      this.#fail(error);
      // In the page's own thread it would run on without its broker, and keep Node alive.
      this.#free();
      // Who has nothing under way hears of it as well.
      this.#onEvent({ name: "crash", payload: { error } });
    });
    this.#port = port;
    this.#ended = ended;
    port.onmessage = (event: MessageEvent<Output>) => {
      this.#said(event.data);
    };
    this.#unobserve = instrumentation?.observe((on) => {
      this.tell({ type: "observe", on });
    });
  }

  /** The state machine is gone; every request fails. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Sends a command and gives its answer. Abandoned, not undone, when the signal aborts. */
  request<Answer = void>(
    command: Command,
    {
      signal,
      transfer = [],
    }: { signal?: AbortSignalLike | undefined; transfer?: Transferable[] } = {},
  ): Promise<Answer> {
    const { id, answer } = this.requestById<Answer>(command, transfer);
    return signal === undefined
      ? answer
      : abortable(answer, signal, () => this.#waiting.delete(id));
  }

  /** Like `request`, for who needs the command's id. */
  requestById<Answer = void>(
    command: Command,
    transfer: Transferable[] = [],
  ): { id: number; answer: Promise<Answer> } {
    const id = this.#nextId++;
    const answer = new Promise<Answer>((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#waiting.set(id, { resolve, reject });
      this.#port.postMessage({ ...command, id }, transfer);
    });
    return { id, answer };
  }

  /** Sends a command that has no answer. */
  tell(command: Command): void {
    if (this.#failure === undefined) this.#port.postMessage(command);
  }

  /** Ends the state machine; what waits fails. */
  close(): void {
    this.#unobserve?.();
    this.#fail(
      asError({ type: "CLOSED", code: -1, kind: "closed", message: "the client is closed" }),
    );
    this.#ended();
    this.#free();
  }

  /** Ends the state machine, if it has not ended yet, and the port. */
  #free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#port.postMessage(null);
    // Closing at once would drop what stands in the port's queue.
    setTimeout(() => {
      this.#port.close();
    });
  }

  #said(output: Output): void {
    if (output.type === "event") {
      this.#onEvent({ name: output.name ?? "", payload: output.payload });
      return;
    }
    if (output.id === undefined) {
      // The state machine does not exist: its options were refused.
      this.#fail(asError(output.error));
      return;
    }
    const waiting = this.#waiting.get(output.id);
    this.#waiting.delete(output.id);
    const failed = output.error !== undefined && output.error !== null;
    if (failed) waiting?.reject(asError(output.error));
    else waiting?.resolve(output as never);
  }

  #fail(error: KafkaJSError): void {
    this.#failure ??= error;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }
}

/** The promise, unless the signal aborts first; then `onAbort` runs and it rejects. */
export function abortable<Value>(
  promise: Promise<Value>,
  signal: AbortSignalLike | undefined,
  onAbort: () => void = () => undefined,
): Promise<Value> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      onAbort();
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- whatever it was
      reject(signal.reason);
    };
    if (signal.aborted) {
      promise.catch(() => undefined);
      abort();
      return;
    }
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => {
      signal.removeEventListener("abort", abort);
    });
  });
}
