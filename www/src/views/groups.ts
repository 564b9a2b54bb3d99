import { html, nothing, type TemplateResult } from "lit-html";
import { part } from "../flow/part.ts";
import { isInternal } from "../flow/picture.ts";
import type { Playground } from "../playground.ts";
import { field } from "./form.ts";
import { groupBadge, groupColour, groupIds, GROUPS_SHOWN_MAX } from "./marks.ts";
import { membersView } from "./members.ts";
import { offsetsView } from "./offsets.ts";
import { count } from "./numbers.ts";
import { stopped } from "./status.ts";

const PROCESSING_MS = [0, 5, 50, 500];

/** The consumer groups, with their members and how far they are. */
export function groupsView(app: Playground): TemplateResult {
  const { shown, hidden } = part(groupIds(app), GROUPS_SHOWN_MAX);
  return html`
    <section class="column groups" aria-labelledby="groups-title" ?inert=${stopped(app)}>
      <h2 id="groups-title">Consumer groups</h2>
      <p class="hint">
        A group shares the partitions among its members: each partition has exactly one. Every group
        reads all records.
      </p>
      ${shown.map((groupId, order) => groupView(app, groupId, order))}
      ${
        hidden === 0
          ? nothing
          : html`<p class="hint" data-testid="more-groups">and ${count(hidden)} more groups</p>`
      }
      ${newGroup(app)}
    </section>
  `;
}

function groupView(app: Playground, groupId: string, order: number): TemplateResult {
  const picture = app.picture.groups.get(groupId);
  const members = app.group(groupId).members.filter(({ leaving }) => !leaving);
  return html`
    <article
      class="card group"
      style="--group: ${groupColour(order)}"
      data-testid="group"
      data-group=${groupId}
    >
      <header>
        <div class="title">
          <h3>${groupBadge(order)} ${groupId}</h3>
          <button
            class="icon danger"
            data-testid="delete-group"
            aria-label="Delete the group ${groupId}"
            title="Delete the group with its committed offsets"
            @click=${() => {
              if (confirm(`Delete the group ${groupId} and its offsets?`)) {
                void app.deleteGroup(groupId);
              }
            }}
          >
            ✕
          </button>
        </div>
        <p class="facts">
          <span class="state" data-testid="group-state" data-state=${picture?.state ?? "Empty"}
            >${picture?.state ?? "Empty"}</span
          >
          <span data-testid="generation" data-value=${picture?.generation ?? ""}
            >generation ${picture?.generation ?? "–"}</span
          >
          ${picture?.assignor ? html`<span>${picture.assignor}</span>` : nothing}
        </p>
      </header>
      ${membersView(app, groupId)}
      <div class="row">
        <button
          class="primary"
          data-testid="add-member"
          title=${readsTitle(app)}
          ?disabled=${!readable(app)}
          @click=${() => void app.addMember(groupId)}
        >
          Add a member
        </button>
        <button
          data-testid="commit"
          title="Commits the positions of the members here"
          ?disabled=${members.length === 0}
          @click=${() => void app.act(Promise.all(members.map((member) => member.commit())))}
        >
          Commit now
        </button>
      </div>
      ${settingsView(app, groupId)} ${offsetsView(app, groupId)}
    </article>
  `;
}

/** Whether the chosen topic is one to read: a group that reads commits would make more of them. */
function readable({ topic }: Playground): boolean {
  return topic !== undefined && !isInternal(topic);
}

function readsTitle(app: Playground): string {
  return readable(app) ? `It reads the topic ${app.topic ?? ""}` : "Choose a topic of yours first";
}

function settingsView(app: Playground, groupId: string): TemplateResult {
  const { settings } = app.group(groupId);
  return html`
    <div class="row settings">
      <label class="check">
        <input
          type="checkbox"
          data-testid="auto-commit"
          .checked=${settings.autoCommit}
          @change=${(event: Event) =>
            void app.act(
              app.group(groupId).setAutoCommit((event.target as HTMLInputElement).checked),
            )}
        />
        Auto-commit
      </label>
      <label>
        Work per record
        <select
          data-testid="processing"
          @change=${(event: Event) => {
            settings.processingMs = Number((event.target as HTMLSelectElement).value);
          }}
        >
          ${PROCESSING_MS.map(
            (ms) =>
              html`<option value=${ms} ?selected=${ms === settings.processingMs}>${ms} ms</option>`,
          )}
        </select>
      </label>
    </div>
  `;
}

function newGroup(app: Playground): TemplateResult {
  return html`
    <form
      class="card inline"
      data-testid="new-group"
      @submit=${(event: SubmitEvent) => {
        event.preventDefault();
        const form = event.target as HTMLFormElement;
        void app.addMember(field(form, "group"));
        // The name that is there at first is for the first group.
        (form.elements.namedItem("group") as HTMLInputElement).value = "";
      }}
    >
      <label>
        New group
        <input
          name="group"
          required
          value="analytics"
          autocomplete="off"
          data-testid="group-name"
        />
      </label>
      <button data-testid="add-group" title=${readsTitle(app)} ?disabled=${!readable(app)}>
        Add with one member
      </button>
    </form>
  `;
}
