import { html, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import type { Playground } from "../playground.ts";

export function noticesView(app: Playground): TemplateResult {
  return html`
    <div class="notices" aria-live="polite" data-testid="notices">
      ${repeat(
        app.notices.list,
        ({ id }) => id,
        ({ id, text, failed }) => html`
          <p class=${failed ? "notice failed" : "notice"}>
            <span>${text}</span>
            <button
              aria-label="Close this message"
              @click=${() => {
                app.notices.close(id);
              }}
            >
              ✕
            </button>
          </p>
        `,
      )}
    </div>
  `;
}
