import { html, type TemplateResult } from "lit-html";
import type { Member } from "../engine/member.ts";
import { type PartitionPicture, topicPartition } from "../flow/picture.ts";
import type { Playground } from "../playground.ts";
import { part } from "../flow/part.ts";
import { groupBadge, groupColour, groupIds, GROUPS_SHOWN_MAX } from "./marks.ts";
import { count } from "./numbers.ts";

/** How far a group is in one partition. */
export interface Progress {
  /** The next offset that its member processes; known of members of this page. */
  position: number | undefined;
  committed: number | undefined;
  lag: number;
}

/** How far `groupId` is in partitions of `topic`; undefined for one where it never read. */
export function progressIn(
  app: Playground,
  groupId: string,
  topic: string,
): (index: number, partition: PartitionPicture) => Progress | undefined {
  const committedOf = app.picture.groups.get(groupId)?.committed;
  const owners = new Map<number, Member>();
  for (const member of app.groups.get(groupId)?.members ?? []) {
    if (member.topic !== topic) continue;
    for (const index of member.assigned) owners.set(index, member);
  }
  return (index, { logStartOffset, highWatermark }) => {
    const committed = committedOf?.get(topicPartition(topic, index));
    const member = owners.get(index);
    if (committed === undefined && member === undefined) return undefined;
    // A member begins at the committed offset.
    const position = member === undefined ? undefined : (member.positions.get(index) ?? committed);
    return { position, committed, lag: highWatermark - (committed ?? logStartOffset) };
  };
}

/** The groups that are shown, each with how far it is in partitions of `topic`. */
export function groupsProgress(app: Playground, topic: string): GroupProgress[] {
  return part(groupIds(app), GROUPS_SHOWN_MAX).shown.map((groupId) => ({
    groupId,
    progress: progressIn(app, groupId, topic),
  }));
}

interface GroupProgress {
  groupId: string;
  progress: ReturnType<typeof progressIn>;
}

/** A lane for each group under a tape, on the tape's own scale while all of it is in view. */
export function lanesView(
  groups: readonly GroupProgress[],
  index: number,
  partition: PartitionPicture,
  cells: number,
): TemplateResult {
  const { logStartOffset, highWatermark } = partition;
  const records = highWatermark - logStartOffset;
  // On a tape in full view a mark points at the middle of a cell.
  const percent = (offset: number): number =>
    records < cells
      ? ((offset - logStartOffset + 0.5) / cells) * 100
      : ((offset - logStartOffset) / records) * 100;
  return html`
    <div class="lanes">
      ${groups.map(({ groupId, progress }, order) => {
        const found = progress(index, partition);
        return found === undefined ? "" : laneView(groupId, order, found, percent);
      })}
    </div>
  `;
}

function laneView(
  groupId: string,
  order: number,
  { position, committed, lag }: Progress,
  percent: (offset: number) => number,
): TemplateResult {
  const width = (offset: number | undefined): number =>
    offset === undefined ? 0 : percent(offset);
  const text = `${groupId}: position ${count(position)}, committed ${count(committed)}, lag ${count(lag)}`;
  return html`
    <div class="lane" style="--group: ${groupColour(order)}" title=${text}>
      ${groupBadge(order)}
      <div class="track" role="img" aria-label=${text}>
        <i class="bar processed" style="width: ${width(position ?? committed)}%"></i>
        <i class="bar safe" style="width: ${width(committed)}%"></i>
        ${
          committed === undefined
            ? ""
            : html`<i class="mark committed" style="left: ${percent(committed)}%"></i>`
        }
        ${
          position === undefined
            ? ""
            : html`<i class="mark position" style="left: ${percent(position)}%"></i>`
        }
      </div>
    </div>
  `;
}
