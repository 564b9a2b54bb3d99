import { html, nothing, type TemplateResult } from "lit-html";
import type { PartitionPicture } from "../flow/picture.ts";
import type { Playground } from "../playground.ts";
import { CONSUMER_OFFSETS, decodeConsumerOffsets } from "../records/consumer_offsets.ts";
import type { StoredRecord } from "../records/stored.ts";
import { asText, hueOf } from "../records/text.ts";
import type { TapeWindow } from "../tape_windows.ts";
import { type groupsProgress, lanesView } from "./lanes.ts";
import { partitionColour } from "./marks.ts";
import { count, perSecond } from "./numbers.ts";

const LABEL_LETTERS_MAX = 4;

/** One partition: its tape of records, and how far each group is. */
export function partitionView(
  app: Playground,
  topic: string,
  index: number,
  partition: PartitionPicture,
  groups: ReturnType<typeof groupsProgress>,
): TemplateResult {
  const { logStartOffset, highWatermark } = partition;
  const window = app.tapes.window(topic, index, partition);
  return html`
    <section
      class="partition"
      style="--partition: ${partitionColour(index)}"
      aria-label="Partition ${index}"
      data-testid="partition"
      data-partition=${index}
      data-node="partition:${topic}-${index}"
    >
      <header>
        <h3>P${index}</h3>
        <span class="rate">${perSecond(partition.appended.perSecond(Date.now()))}</span>
        <dl>
          <div>
            <dt>log start</dt>
            <dd data-testid="log-start" data-partition=${index} data-value=${logStartOffset}>
              ${count(logStartOffset)}
            </dd>
          </div>
          <div>
            <dt>high watermark</dt>
            <dd data-testid="high-watermark" data-partition=${index} data-value=${highWatermark}>
              ${count(highWatermark)}
            </dd>
          </div>
        </dl>
      </header>
      ${cellsView(app, topic, index, window)} ${scrollView(app, topic, index, partition, window)}
      ${lanesView(groups, index, partition, app.tapes.capacity)}
    </section>
  `;
}

function cellsView(
  app: Playground,
  topic: string,
  index: number,
  { from, to, follows }: TapeWindow,
): TemplateResult {
  const offsets = Array.from({ length: to - from }, (_, i) => from + i);
  const shown = to === from ? "none yet" : `offsets ${from} to ${to - 1}`;
  return html`
    <div
      class="tape"
      role="group"
      aria-label="Records of partition ${index}, ${shown}"
      @keydown=${moveAlong}
    >
      ${offsets.map((offset) =>
        cellView(app, app.tapes.record(topic, index, offset), offset, offset === to - 1),
      )}
      ${
        follows
          ? html`<span class="cell next" title="The next record becomes ${to}">${to}</span>`
          : nothing
      }
    </div>
  `;
}

function cellView(
  app: Playground,
  record: StoredRecord | null | undefined,
  offset: number,
  reachable: boolean,
): TemplateResult {
  if (record === null) {
    return html`<span class="cell gone" title="Compacted away: a newer record has its key"
      >${offset}</span
    >`;
  }
  const label = record === undefined ? "" : cellLabel(record);
  const key = record?.key ?? null;
  const hue = key === null ? "" : `--hue: ${hueOf(key)}`;
  return html`
    <button
      class=${record === undefined ? "cell unknown" : hue === "" ? "cell keyless" : "cell keyed"}
      style=${hue}
      tabindex=${reachable ? 0 : -1}
      data-testid="record"
      data-offset=${offset}
      aria-label="Offset ${offset}${label === "" ? "" : `, key ${label}`}"
      title=${cellTitle(record)}
      aria-disabled=${record === undefined ? "true" : nothing}
      @click=${() => {
        app.select(record);
      }}
    >
      <b>${label.slice(0, LABEL_LETTERS_MAX)}</b>${offset}
    </button>
  `;
}

function cellTitle(record: StoredRecord | undefined): string | typeof nothing {
  if (record?.topic !== CONSUMER_OFFSETS) return nothing;
  return decodeConsumerOffsets(record)?.summary ?? nothing;
}

/** The key in a few letters; equal keys have the same. */
function cellLabel(record: StoredRecord): string {
  if (record.topic === CONSUMER_OFFSETS) {
    const decoded = decodeConsumerOffsets(record);
    if (decoded === null) return "?";
    return "topic" in decoded.key ? `P${String(decoded.key.partition)}` : "grp";
  }
  if (record.key === null) return "";
  const text = asText(record.key);
  if (text === null) return "hex";
  return text.length <= LABEL_LETTERS_MAX
    ? text
    : text.replace(/^(.).*?(\w{1,3})$/, (_, first: string, last: string) => first + last);
}

/** Arrow keys go from cell to cell, so that a tape is one stop of the Tab key. */
function moveAlong(event: KeyboardEvent): void {
  const step =
    event.key === "ArrowLeft"
      ? "previousElementSibling"
      : event.key === "ArrowRight"
        ? "nextElementSibling"
        : undefined;
  if (step === undefined) return;
  let next = (event.target as HTMLElement)[step];
  while (next !== null && !(next instanceof HTMLButtonElement)) next = next[step];
  next?.focus();
  event.preventDefault();
}

function scrollView(
  app: Playground,
  topic: string,
  index: number,
  { logStartOffset, highWatermark }: PartitionPicture,
  { from }: TapeWindow,
): TemplateResult | typeof nothing {
  const newest = highWatermark - (app.tapes.capacity - 1);
  if (newest <= logStartOffset) return nothing;
  return html`
    <input
      class="scroll"
      type="range"
      min=${logStartOffset}
      max=${newest}
      .value=${String(from)}
      aria-label="First offset shown of partition ${index}"
      data-testid="scroll"
      @input=${(event: Event) => {
        const offset = Number((event.target as HTMLInputElement).value);
        app.tapes.move(topic, index, offset < newest ? offset : undefined);
      }}
    />
  `;
}
