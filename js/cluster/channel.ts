// Where messages for a host go: to a worker, or to an object of this thread.
import { NOT_FETCHED } from "../platform/spawn_worker.js";

/** Why a host is gone. */
export interface HostFailure {
  reason: string;
  /** The worker never ran: its script, or what that imports, could not be loaded. */
  notLoaded: boolean;
  /** What the application's own function has thrown. */
  cause?: unknown;
}

export interface Channel<Message> {
  post(message: Message, transfer?: Transferable[]): void;
  end(): void;
  onError?: (failure: HostFailure) => void;
}

export function workerChannel<Out>(worker: Worker, tell: (message: never) => void): Channel<Out> {
  worker.onmessage = (event) => {
    tell(event.data as never);
  };
  const channel: Channel<Out> = {
    post: (message, transfer = []) => {
      worker.postMessage(message, transfer);
    },
    end: () => {
      worker.terminate();
    },
  };
  worker.onerror = (event: Event | ErrorEvent) => {
    // What a script throws comes as an ErrorEvent; that it could not be fetched as a bare Event.
    const failure =
      "message" in event
        ? { reason: event.message, notLoaded: false }
        : { reason: NOT_FETCHED, notLoaded: true };
    channel.onError?.(failure);
  };
  return channel;
}

export function localChannel<Out>(host: { handle(message: Out): void; end(): void }): Channel<Out> {
  return {
    post: (message) => {
      host.handle(message);
    },
    end: () => {
      host.end();
    },
  };
}
