import type { ClusterStatus } from "tablog";
import type { Balance, UnderWay } from "../engine/ledger.ts";

/** How a broker died and its successor took over; times in milliseconds since the death. */
export interface Recovery {
  /** Whether it was killed here, so that the moment is known. */
  killed: boolean;
  /** What waited for the broker's answer then. */
  underWay: UnderWay;
  /** The lock of the dead worker was free, and the page knew. */
  noticedMs?: number;
  /** The successor had read the log and answered. */
  runningMs?: number;
  /** A producer was told of a record by the successor. */
  acknowledgedMs?: number;
  /** What was acknowledged, and what is in the log. */
  balance?: Balance;
}

/** Follows one death of the broker after the other; only the last is told. */
export class Recoveries {
  last: Recovery | undefined;
  #diedMs = 0;

  /** The broker was killed from this page. */
  killed(underWay: UnderWay, nowMs: number): void {
    this.#begin(true, underWay, nowMs);
  }

  /** The cluster has another status. Returns whether a successor runs now. */
  status(status: ClusterStatus, underWay: UnderWay, nowMs: number): boolean {
    if (status === "restarting") {
      if (this.last === undefined || this.last.noticedMs !== undefined) {
        this.#begin(false, underWay, nowMs);
      }
      if (this.last !== undefined) this.last.noticedMs = nowMs - this.#diedMs;
    }
    if (status !== "running" || this.last?.noticedMs === undefined) return false;
    if (this.last.runningMs !== undefined) return false;
    this.last.runningMs = nowMs - this.#diedMs;
    return true;
  }

  /** A producer was told of a record. */
  acknowledged(nowMs: number): void {
    const recovery = this.last;
    // What comes after the account is closed has nothing to do with the crash.
    if (recovery?.runningMs === undefined || recovery.balance !== undefined) return;
    recovery.acknowledgedMs ??= nowMs - this.#diedMs;
  }

  /** Nobody looks at it any more. */
  close(): void {
    this.last = undefined;
  }

  #begin(killed: boolean, { sends, records }: UnderWay, nowMs: number): void {
    this.#diedMs = nowMs;
    this.last = { killed, underWay: { sends, records } };
  }
}
