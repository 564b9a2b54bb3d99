// Keeps a worker alive: starts it, watches it by its lock, and replaces it when it dies.
import { asError } from "../errors/error_object.js";
import { type KafkaJSError, TablogError } from "../errors/errors.js";
import type { Alive, Liveness } from "../host/messages.js";
import type { Channel, HostFailure } from "./channel.js";
import { Restarts, RESTARTS_MAX } from "./restarts.js";

/** How long a worker may be silent after its start; doubled every time: networks may be slow. */
const SILENT_MS_MAX = 15_000;
/** Workers that never say a word, before their script is taken for another one. */
const SILENT_STARTS_MAX = 2;
const DIED: HostFailure = { reason: "its worker died", notLoaded: false };

/** What is kept alive, and who hears of it. */
export interface Supervised<To, From> {
  /** In sentences, such as "the broker". */
  name: string;
  /** Of the error when it is given up. */
  errorType: string;
  /** Makes another, which calls `tell` with all that it says. */
  spawn(tell: (message: From | Alive) => void): Channel<To> | Promise<Channel<To>>;
  /** The first message to it. */
  start(liveness: Liveness | null): To;
  /** A new name for a worker's lock, and the page's; null where nobody is watched by locks. */
  liveness(): Liveness | null;
  /** What to say when there was never a script for it. */
  whyNotLoaded(failure: HostFailure): Promise<KafkaJSError>;
  /** Why it cannot be followed by another, if so. */
  lost(): string | null;
  /** It has not started, which may have reasons that only the application knows. */
  onSilent(reason: string): void;
  /** It has started. */
  onAlive(): void;
  onMessage(message: From): void;
  /** It is gone, and another is on the way. */
  onGone(reason: string): void;
  /** It is gone, and so is the hope for another. */
  onGivenUp(error: KafkaJSError): void;
}

export class Supervisor<To, From extends { type: string }> {
  readonly #supervised: Supervised<To, From>;
  readonly #restarts = new Restarts();
  readonly #ended = new AbortController();
  /** Of the one that there is. Callbacks of its predecessors find another here. */
  #channel: Channel<To> | undefined;
  /** A worker has started, so its script is where it is looked for. */
  #loaded = false;
  #silentMsMax = SILENT_MS_MAX;
  #silentStarts = 0;
  #silent: ReturnType<typeof setTimeout> | undefined;

  constructor(supervised: Supervised<To, From>) {
    this.#supervised = supervised;
    void this.#start();
  }

  post(message: To, transfer?: Transferable[]): void {
    this.#channel?.post(message, transfer);
  }

  /** It does what it is for: those before it count no more, if that lasts. */
  runs(): void {
    this.#restarts.runs();
  }

  /** It has said that it cannot go on. */
  stopped(reason: string): void {
    if (this.#channel !== undefined) this.#gone(this.#channel, { reason, notLoaded: false });
  }

  /** Lets it end by itself, and follows it with no other. What it still says is heard. */
  close(farewell: To): void {
    this.#ended.abort();
    clearTimeout(this.#silent);
    this.#channel?.post(farewell);
  }

  /** Ends it, and follows it with no other. */
  end(): void {
    this.#ended.abort();
    clearTimeout(this.#silent);
    this.#channel?.end();
    this.#channel = undefined;
  }

  async #start(): Promise<void> {
    const liveness = this.#supervised.liveness();
    let channel: Channel<To>;
    try {
      channel = await this.#supervised.spawn((message) => {
        if (this.#channel !== channel) return;
        if (message.type !== "alive") this.#supervised.onMessage(message as From);
        else this.#alive(channel, (message as Alive).watched ? liveness : null);
      });
    } catch (error) {
      this.#lose({ reason: asError(error).message, notLoaded: true, cause: error });
      return;
    }
    if (this.#ended.signal.aborted) {
      channel.end();
      return;
    }
    this.#channel = channel;
    channel.onError = (failure) => {
      this.#gone(channel, failure);
    };
    // terminate() fires no event, and before a worker is alive it holds no lock.
    this.#silent = setTimeout(() => {
      const reason = `its worker did not start within ${this.#silentMsMax} ms`;
      this.#silentMsMax *= 2;
      this.#silentStarts += 1;
      this.#supervised.onSilent(reason);
      // Where a script of the package has run before, it is only the network or the machine.
      const notLoaded = !this.#loaded && SILENT_STARTS_MAX <= this.#silentStarts;
      this.#gone(channel, { reason, notLoaded });
    }, this.#silentMsMax);
    try {
      channel.post(this.#supervised.start(liveness));
    } catch (error) {
      this.#gone(channel, { reason: asError(error).message, notLoaded: false });
    }
  }

  #alive(channel: Channel<To>, liveness: Liveness | null): void {
    clearTimeout(this.#silent);
    this.#loaded = true;
    this.#silentMsMax = SILENT_MS_MAX;
    this.#silentStarts = 0;
    // After "clear site data" Chromium's new workers and the page they belong to do not see each
    // other's locks any more, until the page is loaded again.
    if (liveness !== null) {
      const { signal } = this.#ended;
      void navigator.locks
        .request(liveness.lock, { signal }, () => {
          this.#gone(channel, DIED);
        })
        .catch((error: unknown) => {
          // Who was ended is not watched.
          if (!signal.aborted) throw error;
        });
    }
    this.#supervised.onAlive();
  }

  #gone(channel: Channel<To>, failure: HostFailure): void {
    if (this.#channel !== channel) return;
    this.#channel = undefined;
    clearTimeout(this.#silent);
    channel.end();
    this.#lose(failure);
  }

  /**
   * Without network a worker's script cannot be loaded, which says nothing against the worker: that
   * is tried for as long as the page lives. A script that was never there is not waited for.
   */
  #lose(failure: HostFailure): void {
    if (this.#ended.signal.aborted) return;
    const { reason, notLoaded } = failure;
    const { name, errorType: type } = this.#supervised;
    const lost = this.#supervised.lost();
    if (notLoaded && !this.#loaded) {
      void this.#supervised
        .whyNotLoaded(failure)
        .catch(asError)
        .then((error) => {
          this.#giveUp(error);
        });
    } else if (notLoaded) this.#follow(reason, this.#restarts.beforeLoad(this.#ended.signal));
    else if (lost !== null) this.#giveUp(new TablogError(`${lost}: ${reason}`, { type }));
    else if (this.#restarts.mayRestart()) {
      this.#follow(reason, this.#restarts.beforeRestart(this.#ended.signal));
    } else {
      const message = `${name} stopped ${RESTARTS_MAX} times in a row: ${reason}`;
      this.#giveUp(new TablogError(message, { type }));
    }
  }

  #follow(reason: string, pause: Promise<void>): void {
    this.#supervised.onGone(reason);
    void pause.then(() => {
      if (!this.#ended.signal.aborted) void this.#start();
    });
  }

  #giveUp(error: KafkaJSError): void {
    if (this.#ended.signal.aborted) return;
    this.end();
    this.#supervised.onGivenUp(error);
  }
}
