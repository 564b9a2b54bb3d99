import { html, nothing, type TemplateResult } from "lit-html";
import type { Recovery } from "../flow/recovery.ts";
import type { Playground } from "../playground.ts";
import { count } from "./numbers.ts";

interface Step {
  title: string;
  /** Since the death; undefined while it has not come to that. */
  atMs: number | undefined;
  text: string;
}

/** How the broker died and what came after, step by step; nothing while no broker has died. */
export function recoveryView(app: Playground): TemplateResult | typeof nothing {
  const recovery = app.recoveries.last;
  if (recovery === undefined) return nothing;
  const steps = stepsOf(recovery);
  const current = steps.findIndex(({ atMs }) => atMs === undefined);
  return html`
    <section
      class="card recovery"
      aria-labelledby="recovery-title"
      data-testid="recovery"
      data-done=${current < 0}
    >
      <div class="title">
        <h2 id="recovery-title">
          ${recovery.killed ? "You killed the broker" : "The broker died"}
        </h2>
        <button
          class="icon"
          aria-label="Close the account of the crash"
          @click=${() => {
            app.recoveries.close();
          }}
        >
          ✕
        </button>
      </div>
      <ol class="steps">
        ${steps.map(
          ({ title, atMs, text }, index) => html`
            <li
              class=${atMs !== undefined ? "done" : index === current ? "current" : "ahead"}
              aria-current=${index === current ? "step" : nothing}
            >
              <b>${title}</b>
              <span class="at">${atMs === undefined ? "…" : `${count(Math.round(atMs))} ms`}</span>
              <small>${text}</small>
            </li>
          `,
        )}
      </ol>
      <p class="verdict" role="status" data-testid="balance">${verdict(recovery)}</p>
    </section>
  `;
}

function stepsOf(recovery: Recovery): Step[] {
  const { underWay, noticedMs, runningMs, acknowledgedMs, balance } = recovery;
  const waited = underWay.sends > 0;
  const steps: Step[] = [
    {
      title: "Dead",
      atMs: 0,
      text: waited
        ? `${records(underWay.records)} waited for an answer that does not come`
        : "No record waited for an answer",
    },
    {
      title: "Noticed",
      atMs: noticedMs,
      text: "The browser gave its lock free: only death does that",
    },
    {
      title: "Another runs",
      atMs: runningMs,
      text: "It read the log from IndexedDB: what was acknowledged was stored before",
    },
  ];
  if (waited || acknowledgedMs !== undefined) {
    steps.push({
      title: "Records again",
      atMs: acknowledgedMs,
      text: waited
        ? "The producer sent again what was not answered; the log drops what it has already"
        : "The producer went on: it had nothing to send again",
    });
  }
  if (balance === undefined) {
    const text = "As soon as no record waits for an answer";
    steps.push({ title: "Counted", atMs: undefined, text });
  }
  return steps;
}

function verdict({ balance }: Recovery): TemplateResult | string {
  if (balance === undefined) return "";
  const { acknowledged, appended } = balance;
  if (acknowledged === 0)
    return "Nothing was produced on this page yet: there is nothing to count.";
  const lost = Math.max(0, acknowledged - appended);
  const more = Math.max(0, appended - acknowledged);
  return html`
    <b data-testid="acknowledged" data-value=${acknowledged}>${count(acknowledged)}</b> records
    acknowledged on this page,
    <b data-testid="appended" data-value=${appended}>${count(appended)}</b> in the log:
    ${
      lost + more === 0
        ? html`<strong class="good">none lost, none twice.</strong>`
        : html`<strong class="bad">${count(lost)} lost, ${count(more)} too many.</strong>`
    }
  `;
}

function records(number: number): string {
  return `${count(number)} ${number === 1 ? "record" : "records"}`;
}
