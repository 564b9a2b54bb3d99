// How groups and partitions look, so that one is the same everywhere on the page.
import { html, type TemplateResult } from "lit-html";
import type { Playground } from "../playground.ts";

/** Groups that are shown at a time. */
export const GROUPS_SHOWN_MAX = 12;

const COLOURS = 8;

/** The CSS colour of a partition. */
export function partitionColour(partition: number): string {
  return `var(--partition-${partition % COLOURS})`;
}

/** The groups of the page in their order, which gives each its letter and colour. */
export function groupIds(app: Playground): string[] {
  const own = [...app.groups.values()].filter(({ members }) => members.length > 0);
  const ids = [...app.picture.groups.keys(), ...own.map(({ groupId }) => groupId)];
  return [...new Set(ids)].sort();
}

/** The CSS colour of the group at `index` of `groupIds()`. */
export function groupColour(index: number): string {
  return `var(--group-${index % COLOURS})`;
}

/** The group's letter on its colour. */
export function groupBadge(index: number): TemplateResult {
  const letter = String.fromCharCode(65 + (index % 26));
  return html`<span class="badge" style="--group: ${groupColour(index)}" aria-hidden="true"
    >${letter}</span
  >`;
}
