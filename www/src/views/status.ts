import { html, type TemplateResult } from "lit-html";
import { TablogError } from "tablog";
import { explain } from "../notices.ts";
import type { Playground } from "../playground.ts";

/** Whether the broker is, or soon is again, such that there is something to show. */
export function usable({ status }: Playground): boolean {
  return status === "running" || status === "restarting";
}

/** Whether it makes no sense to ask anything of the broker. */
export function stopped(app: Playground): boolean {
  return !usable(app) && app.status !== "starting";
}

/** Why there is nothing to show yet, or nothing more. */
export function statusView(app: Playground): TemplateResult {
  switch (app.status) {
    case "starting":
      return standing("Starting the broker…", "It reads what it stored before.");
    case "waiting":
      return standing(
        "Another tab has the broker",
        "A log has one owner at a time. This tab takes over as soon as the other one is closed, and finds everything there.",
      );
    default:
      return standing("The broker has stopped", ...advice(app.failure));
  }
}

function advice(failure: unknown): string[] {
  const again = "Load the page again to start it anew.";
  if (failure === undefined) return [again];
  const denied = failure instanceof TablogError && failure.type === "STORAGE";
  const why = "It keeps everything in IndexedDB, which a browser may deny, as in a private window.";
  return [explain(failure), denied ? `${why} ${again}` : again];
}

function standing(title: string, ...paragraphs: string[]): TemplateResult {
  return html`
    <h2 id="topic-title">${title}</h2>
    <div class="card welcome standing" data-testid="standing">
      ${paragraphs.map((text) => html`<p>${text}</p>`)}
    </div>
  `;
}
