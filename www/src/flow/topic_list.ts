import type { Picture } from "./picture.ts";

/** Topics that the page lists at a time; the others are found by their name. */
export const TOPICS_SHOWN_MAX = 40;

/** The part of the topics that is listed. */
export interface TopicList {
  names: string[];
  /** How many more there are whose names have what is looked for. */
  more: number;
}

/** The topics whose names have `search` in them; the chosen one is always listed, and first. */
export function topicList(picture: Picture, search: string, chosen?: string): TopicList {
  const names: string[] = [];
  let found = 0;
  for (const name of picture.topicNames) {
    if (name === chosen || !name.includes(search)) continue;
    found += 1;
    if (names.length < TOPICS_SHOWN_MAX - 1) names.push(name);
  }
  const more = found - names.length;
  if (chosen === undefined) return { names, more };
  // While all are listed each keeps its place, chosen or not.
  const all = more === 0 && search === "";
  const order = picture.topicNames;
  const listed = all ? order.filter((name) => name === chosen || names.includes(name)) : names;
  return { names: all ? listed : [chosen, ...names], more };
}
