import { PAGE_CLIENT_ID } from "../engine/cluster.ts";
import type { Exchange } from "./fold.ts";
import { summarise } from "./summary.ts";

const FRAMES_MAX = 200;

/** APIs that only keep something going; they would push all else out of the list. */
const ROUTINE = new Set(["Heartbeat", "Metadata", "ApiVersions", "FindCoordinator"]);

/** A request and its answer, as one line. */
export interface FrameLine {
  id: number;
  atMs: number;
  api: string;
  clientId: string;
  summary: string;
  latencyMs: number;
  bytes: number;
  exchange: Exchange;
}

/** What is left out of the list. */
export interface FrameFilter {
  routine: boolean;
  page: boolean;
}

/** The newest frames that passed the broker's door, newest first. */
export class FrameLog {
  readonly filter: FrameFilter = { routine: false, page: false };
  lines: FrameLine[] = [];
  passed = 0;

  add(exchanges: readonly Exchange[]): void {
    const added: FrameLine[] = [];
    for (const exchange of exchanges) {
      this.passed += 1;
      if (this.#shown(exchange)) added.push(line(this.passed, exchange));
    }
    if (added.length === 0) return;
    this.lines = [...added.reverse(), ...this.lines].slice(0, FRAMES_MAX);
  }

  #shown({ request, moves }: Exchange): boolean {
    if (!this.filter.page && request.clientId.startsWith(PAGE_CLIENT_ID)) return false;
    if (this.filter.routine) return true;
    // A long poll that brought nothing is routine too.
    return !ROUTINE.has(request.api) && !(request.api === "Fetch" && moves.length === 0);
  }
}

function line(id: number, exchange: Exchange): FrameLine {
  const { request, response } = exchange;
  return {
    id,
    atMs: response.atMs,
    api: request.api,
    clientId: request.clientId,
    summary: summarise(exchange),
    latencyMs: response.atMs - request.atMs,
    bytes: request.bytes + response.bytes,
    exchange,
  };
}
