import { html, nothing, type TemplateResult } from "lit-html";
import { ref } from "lit-html/directives/ref.js";
import type { Playground } from "../playground.ts";
import { CONSUMER_OFFSETS, decodeConsumerOffsets } from "../records/consumer_offsets.ts";
import type { StoredRecord } from "../records/stored.ts";
import { asHex, asPrettyText } from "../records/text.ts";
import { count } from "./numbers.ts";

/** The dialog that shows a record in full. */
export function recordView(app: Playground): TemplateResult {
  const record = app.selected;
  const close = (): void => {
    app.select(undefined);
  };
  return html`
    <dialog
      class="record"
      aria-labelledby="record-title"
      data-testid="record-dialog"
      @close=${close}
      @click=${(event: MouseEvent) => {
        // A click outside of the content hits the dialog itself.
        if (event.target === event.currentTarget) close();
      }}
      ${ref((dialog) => {
        if (!(dialog instanceof HTMLDialogElement)) return;
        if (record === undefined) dialog.close();
        else if (!dialog.open) dialog.showModal();
      })}
    >
      ${record === undefined ? nothing : contentView(record, close)}
    </dialog>
  `;
}

function contentView(record: StoredRecord, close: () => void): TemplateResult {
  return html`
    <div class="content">
      <header>
        <h2 id="record-title">${record.topic}-${record.partition} @ ${count(record.offset)}</h2>
        <button aria-label="Close" @click=${close}>✕</button>
      </header>
      <dl class="facts">
        <dt>Timestamp</dt>
        <dd data-testid="record-timestamp">${new Date(record.timestampMs).toISOString()}</dd>
        <dt>Partition</dt>
        <dd>${record.partition}</dd>
        <dt>Offset</dt>
        <dd>${count(record.offset)}</dd>
      </dl>
      ${decodedView(record)} ${bytesView("Key", record.key)} ${bytesView("Value", record.value)}
      ${headersView(record)}
    </div>
  `;
}

function decodedView(record: StoredRecord): TemplateResult | typeof nothing {
  const decoded = record.topic === CONSUMER_OFFSETS ? decodeConsumerOffsets(record) : null;
  if (decoded === null) return nothing;
  const { key, value } = decoded;
  return html`
    <h3>What it says</h3>
    <pre data-testid="record-decoded">${JSON.stringify({ key, value }, null, 2)}</pre>
  `;
}

function bytesView(title: string, bytes: Uint8Array | null): TemplateResult {
  if (bytes === null) {
    return html`<h3>${title} <small>null</small></h3>`;
  }
  const text = asPrettyText(bytes);
  return html`
    <h3>${title} <small>${count(bytes.length)} bytes</small></h3>
    ${
      text === null ? nothing : html`<pre data-testid="record-${title.toLowerCase()}">${text}</pre>`
    }
    <details ?open=${text === null}>
      <summary>Bytes</summary>
      <pre class="hex">${asHex(bytes)}</pre>
    </details>
  `;
}

function headersView({ headers }: StoredRecord): TemplateResult {
  return html`
    <h3>Headers <small>${headers.length === 0 ? "none" : headers.length}</small></h3>
    <dl class="facts" data-testid="record-headers">
      ${headers.map(
        ([name, value]) => html`
          <dt>${name}</dt>
          <dd>${value === null ? "null" : (asPrettyText(value) ?? asHex(value))}</dd>
        `,
      )}
    </dl>
  `;
}
