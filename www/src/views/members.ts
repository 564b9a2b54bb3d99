import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import type { Member } from "../engine/member.ts";
import { part } from "../flow/part.ts";
import { type MemberPicture, topicPartition } from "../flow/picture.ts";
import type { Playground } from "../playground.ts";
import { partitionColour } from "./marks.ts";
import { count, perSecond } from "./numbers.ts";

const MEMBERS_SHOWN_MAX = 40;
/** Partitions of a member that are shown one by one. */
const CHIPS_SHOWN_MAX = 16;

/** The members of a group: those of this page, and others that the broker knows. */
export function membersView(app: Playground, groupId: string): TemplateResult {
  const picture = app.picture.groups.get(groupId);
  const group = app.group(groupId);
  const own = new Set(group.members.map(({ clientId }) => clientId));
  const others = picture?.members.filter(({ clientId }) => !own.has(clientId)) ?? [];
  const stable = picture?.state === "Stable";
  const ownShown = part(group.members, MEMBERS_SHOWN_MAX);
  const othersShown = part(others, MEMBERS_SHOWN_MAX - ownShown.shown.length);
  const hidden = ownShown.hidden + othersShown.hidden;
  return html`
    ${
      group.members.length + others.length === 0
        ? html`<p class="hint" data-testid="no-members">
            No members. What the group committed stays: the next member resumes there.
          </p>`
        : nothing
    }
    <ul class="members">
      ${repeat(
        ownShown.shown,
        ({ clientId }) => clientId,
        (member) => ownMember(app, groupId, member, stable),
      )}
      ${othersShown.shown.map((member) => otherMember(member))}
      ${
        hidden === 0
          ? nothing
          : html`<li class="hint" data-testid="more-members">and ${count(hidden)} more members</li>`
      }
    </ul>
  `;
}

function ownMember(
  app: Playground,
  groupId: string,
  member: Member,
  stable: boolean,
): TemplateResult {
  const { clientId, topic, joined, paused, leaving, crash } = member;
  const partitions = [...member.assigned].sort((a, b) => a - b);
  const gone = !app.picture.topics.has(topic);
  const idle = stable && joined && !gone && partitions.length === 0;
  return html`
    <li
      class="member ${idle ? "idle" : ""}"
      data-testid="member"
      data-client-id=${clientId}
      data-joined=${joined && !leaving}
      data-node="member:${clientId}"
    >
      <div class="title">
        <h4>${clientId}</h4>
        <span class="rate">${perSecond(member.rate.perSecond(Date.now()))}</span>
        <button
          class="icon"
          aria-pressed=${paused}
          data-testid="pause-member"
          aria-label="${paused ? "Resume" : "Pause"} ${clientId}"
          title=${paused ? "Resume" : "Pause"}
          @click=${() => {
            member.togglePause();
          }}
        >
          ${paused ? "▶" : "❚❚"}
        </button>
        <button
          class="icon danger"
          data-testid="remove-member"
          aria-label="Remove ${clientId}"
          ?disabled=${leaving}
          title="Remove: it leaves the group"
          @click=${() => void app.act(app.group(groupId).remove(member))}
        >
          ✕
        </button>
      </div>
      <p class="figures">
        ${topic === app.topic ? nothing : html`<code>${topic}</code>`}
        ${chips(clientId, topic, partitions)}
        <span>
          <b data-testid="consumed-count" data-client-id=${clientId} data-value=${member.consumed}
            >${count(member.consumed)}</b
          >
          consumed
        </span>
      </p>
      ${crash !== undefined ? html`<p class="warning">${crash.message}</p>` : nothing}
      ${
        idle
          ? html`<p class="warning" data-testid="member-idle">
              Idle: more members than partitions
            </p>`
          : nothing
      }
      ${gone ? html`<p class="warning">The topic ${topic} is gone</p>` : nothing}
      ${leaving ? html`<p class="hint">Leaving: it commits what it has processed first</p>` : nothing}
      ${joined || leaving || crash !== undefined ? nothing : html`<p class="hint">joining…</p>`}
      ${paused ? html`<p class="hint">Paused: fetches nothing, keeps its partitions</p>` : nothing}
    </li>
  `;
}

function otherMember({ clientId, assignment }: MemberPicture): TemplateResult {
  return html`
    <li class="member other" data-testid="other-member" data-node="member:${clientId}">
      <h4>${clientId}</h4>
      <p class="figures">
        ${Object.entries(assignment).map(
          ([topic, indexes]) => html`<code>${topic}</code> ${chips(clientId, topic, indexes)}`,
        )}
      </p>
      <p class="hint">Not of this page: elsewhere, or gone until its session times out</p>
    </li>
  `;
}

function chips(clientId: string, topic: string, partitions: readonly number[]): TemplateResult {
  const { shown, hidden } = part(partitions, CHIPS_SHOWN_MAX);
  return html`
    <span class="chips" data-testid="assignment" data-partitions=${partitions.join(",")}>
      ${shown.map(
        (index) =>
          html`<span
            class="chip"
            style="--partition: ${partitionColour(index)}"
            data-node="chip:${clientId}:${topicPartition(topic, index)}"
            title="${topic}, partition ${index}"
            >P${index}</span
          >`,
      )}
      ${hidden === 0 ? nothing : html`<small>and ${count(hidden)} more</small>`}
    </span>
  `;
}
