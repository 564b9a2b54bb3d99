import { html, type TemplateResult } from "lit-html";
import type { Playground } from "../playground.ts";
import { framesView } from "./frames.ts";
import { groupsView } from "./groups.ts";
import { headerView } from "./header.ts";
import { noticesView } from "./notices.ts";
import { producersView } from "./producers.ts";
import { recordView } from "./record.ts";
import { recoveryView } from "./recovery.ts";
import { topicView } from "./topic.ts";
import { topicsView } from "./topics.ts";

export function pageView(app: Playground): TemplateResult {
  return html`
    ${headerView(app)}
    <main>
      ${topicsView(app)}
      <div class="flow" data-broker=${app.status}>
        ${recoveryView(app)} ${producersView(app)} ${topicView(app)} ${groupsView(app)}
        <canvas class="dots" aria-hidden="true"></canvas>
      </div>
      ${framesView(app)}
    </main>
    <p class="visually-hidden" aria-live="polite" data-testid="activity">${app.activity.text}</p>
    ${recordView(app)} ${noticesView(app)}
  `;
}
