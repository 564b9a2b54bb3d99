import { html, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import type { FrameFilter, FrameLine } from "../flow/frames.ts";
import type { Playground } from "../playground.ts";
import { count, timeOfDay } from "./numbers.ts";

/** The frames that pass the broker's door, newest first. */
export function framesView(app: Playground): TemplateResult {
  const { frames } = app;
  return html`
    <section class="frames" aria-labelledby="frames-title">
      <div class="title">
        <h2 id="frames-title">Through the broker's door</h2>
        <p class="hint">
          Each line is a Kafka request and its answer.
          <span data-testid="frames-passed" data-value=${frames.passed}
            >${count(frames.passed)}</span
          >
          passed.
        </p>
        ${filterView(app, "routine", "Show heartbeats, empty fetches, metadata")}
        ${filterView(app, "page", "Show what the page itself asks")}
      </div>
      <div class="scroller" tabindex="0" role="region" aria-label="Requests and their answers">
        <table>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">API</th>
              <th scope="col">Client</th>
              <th scope="col">What it did</th>
              <th scope="col" class="number">Took</th>
              <th scope="col" class="number">Bytes</th>
            </tr>
          </thead>
          <tbody data-testid="frames">
            ${repeat(frames.lines, ({ id }) => id, lineView)}
          </tbody>
        </table>
      </div>
    </section>
  `;
}

function lineView(line: FrameLine): TemplateResult {
  return html`
    <tr data-api=${line.api}>
      <td class="time">${timeOfDay(line.atMs)}</td>
      <td><code>${line.api}</code></td>
      <td>${line.clientId}</td>
      <td>${line.summary}</td>
      <td class="number">${count(line.latencyMs)} ms</td>
      <td class="number">${count(line.bytes)}</td>
    </tr>
  `;
}

function filterView(app: Playground, name: keyof FrameFilter, text: string): TemplateResult {
  return html`
    <label class="check">
      <input
        type="checkbox"
        .checked=${app.frames.filter[name]}
        @change=${(event: Event) => {
          app.frames.filter[name] = (event.target as HTMLInputElement).checked;
        }}
      />
      ${text}
    </label>
  `;
}
