import { html, type TemplateResult } from "lit-html";
import type { ClusterStatus } from "tablog";
import type { Playground } from "../playground.ts";

const STATUS_TEXTS: Record<ClusterStatus, string> = {
  starting: "starting",
  running: "running",
  waiting: "waiting for another tab",
  restarting: "restarting",
  failed: "stopped",
  closed: "closed",
};

export function headerView(app: Playground): TemplateResult {
  return html`
    <header class="top">
      <button
        class="pause"
        aria-pressed=${app.paused}
        data-testid="pause"
        title="Stops what moves and updates on the page; the broker goes on"
        @click=${() => {
          app.togglePaused();
        }}
      >
        ${app.paused ? "▶ Resume view" : "❚❚ Pause view"}
      </button>
      <div class="brand">
        <h1>tablog</h1>
        <p>A Kafka-compatible event log. The broker, its topics and its groups live in this tab.</p>
      </div>
      <p class="status" data-testid="status" data-status=${app.status} role="status">
        <span class="lamp" aria-hidden="true"></span>Broker: ${STATUS_TEXTS[app.status]}
      </p>
      <div class="tools">
        <button
          data-testid="reload"
          title="Everything is in IndexedDB: after the reload it is all there"
          @click=${() => {
            location.reload();
          }}
        >
          Reload the page
        </button>
        <button
          data-testid="crash"
          title="Kills the broker's worker. Another starts, reads the log, and clients go on."
          ?disabled=${app.status !== "running"}
          @click=${() => {
            app.crash();
          }}
        >
          Crash the broker
        </button>
        <button
          class="danger"
          data-testid="delete-all"
          title="Deletes the playground's databases and loads the page again"
          ?disabled=${app.status === "waiting"}
          @click=${() => {
            const what = "every topic, record, group and offset of this playground";
            if (confirm(`Delete ${what}? It begins anew then.`)) void app.deleteAll();
          }}
        >
          Delete all data
        </button>
      </div>
    </header>
  `;
}
