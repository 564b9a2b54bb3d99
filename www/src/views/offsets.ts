import { html, nothing, type TemplateResult } from "lit-html";
import { isInternal, type TopicPicture } from "../flow/picture.ts";
import type { Playground } from "../playground.ts";
import { field } from "./form.ts";
import { type Progress, progressIn } from "./lanes.ts";
import { partitionColour } from "./marks.ts";
import { count } from "./numbers.ts";

/** A group's offsets in the chosen topic, and the form that moves them. */
export function offsetsView(app: Playground, groupId: string): TemplateResult | typeof nothing {
  const topic = app.topicPicture;
  if (topic === undefined || isInternal(topic.name)) return nothing;
  const inView = app.partitionsInView.shown;
  const progress = progressIn(app, groupId, topic.name);
  const rows = inView.map(([index, partition]) => ({ index, found: progress(index, partition) }));
  // Who never read here has no lag.
  const lags = topic.partitions.flatMap((partition, index) => {
    const found = progress(index, partition);
    return found === undefined ? [] : [found.lag];
  });
  const total = lags.length === 0 ? undefined : lags.reduce((sum, lag) => sum + lag, 0);
  return html`
    <table>
      <caption class="visually-hidden">
        Offsets of ${groupId} in ${topic.name}
      </caption>
      <thead>
        <tr>
          <th scope="col">Partition</th>
          <th scope="col">Position</th>
          <th scope="col">Committed</th>
          <th scope="col">Lag</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(({ index, found }) => row(groupId, index, found))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row" colspan="3">Total lag</th>
          <td data-testid="total-lag" data-group=${groupId} data-value=${total ?? ""}>
            ${count(total)}
          </td>
        </tr>
      </tfoot>
    </table>
    ${seekForm(app, groupId, topic)}
  `;
}

function row(groupId: string, index: number, found: Progress | undefined): TemplateResult {
  const cell = (testId: string, value: number | undefined): TemplateResult => html`
    <td
      data-testid=${testId}
      data-group=${groupId}
      data-partition=${index}
      data-value=${value ?? ""}
    >
      ${count(value)}
    </td>
  `;
  return html`
    <tr style="--partition: ${partitionColour(index)}">
      <th scope="row"><span class="chip">P${index}</span></th>
      ${cell("position", found?.position)} ${cell("committed", found?.committed)}
      ${cell("lag", found?.lag)}
    </tr>
  `;
}

function seekForm(app: Playground, groupId: string, topic: TopicPicture): TemplateResult {
  return html`
    <form
      class="row seek"
      data-testid="seek-form"
      @submit=${(event: SubmitEvent) => {
        event.preventDefault();
        const form = event.target as HTMLFormElement;
        const index = Number(field(form, "partition"));
        const partition = topic.partitions[index];
        if (partition === undefined) return;
        const places = { beginning: partition.logStartOffset, end: partition.highWatermark };
        const to = field(form, "to");
        const offset =
          to === "beginning" || to === "end" ? places[to] : Number(field(form, "offset"));
        void app.seek(groupId, index, offset);
      }}
    >
      <label>
        Seek
        <select name="partition" data-testid="seek-partition">
          ${app.partitionsInView.shown.map(
            ([index]) => html`<option value=${index}>P${index}</option>`,
          )}
        </select>
      </label>
      <label>
        to
        <select name="to" data-testid="seek-to">
          <option value="beginning">beginning</option>
          <option value="end">end</option>
          <option value="offset">offset</option>
        </select>
      </label>
      <label>
        <span class="visually-hidden">Offset</span>
        <input name="offset" type="number" min="0" value="0" data-testid="seek-offset" />
      </label>
      <button data-testid="seek">Seek</button>
    </form>
  `;
}
