import type { Admin } from "tablog";
import type { Picture } from "../flow/picture.ts";
import { eachAtOnce } from "./at_once.ts";

/** Requests under way at a time: the broker bounds what it keeps for a client. */
const REQUESTS_AT_ONCE_MAX = 4;
/**
 * Topics whose known offsets are asked for again in one survey. Frames tell of appends; only this
 * tells that retention has moved a log's start.
 */
const REFRESHED_TOPICS_MAX = 4;

/** What of the cluster the page shows. */
export interface Shown {
  /** The chosen topic. */
  topic: string | undefined;
  /** Topics whose offsets are in view. */
  topics: readonly string[];
}

/**
 * Asks the broker what no frame told: which topics and groups there are, and how they stand. So a
 * page that opens finds all that was there before. What it asks does not grow with the number of
 * topics: names come in one answer, offsets are asked for where they are shown.
 */
export class Survey {
  readonly #admin: Admin;
  readonly #picture: Picture;
  #refreshed = 0;

  constructor(admin: Admin, picture: Picture) {
    this.#admin = admin;
    this.#picture = picture;
  }

  async run(shown: () => Shown): Promise<void> {
    await this.#names();
    await this.#offsets(shown());
    await this.#groups();
  }

  async #names(): Promise<void> {
    const names = new Set(await this.#admin.listTopics());
    for (const name of this.#picture.topicNames) {
      if (!names.has(name)) this.#picture.deleteTopic(name);
    }
    for (const name of names) this.#picture.topic(name);
  }

  async #offsets({ topic, topics }: Shown): Promise<void> {
    const known = (name: string): boolean =>
      (this.#picture.topics.get(name)?.partitions.length ?? 0) > 0;
    const wanted = new Set(topics.filter((name) => !known(name)));
    if (topic !== undefined) wanted.add(topic);
    for (let i = 0; i < Math.min(REFRESHED_TOPICS_MAX, topics.length); i += 1) {
      this.#refreshed = (this.#refreshed + 1) % topics.length;
      const next = topics[this.#refreshed];
      if (next !== undefined) wanted.add(next);
    }
    await eachAtOnce(wanted, REQUESTS_AT_ONCE_MAX, (name) => this.#offsetsOf(name));
  }

  async #offsetsOf(topic: string): Promise<void> {
    for (const { partition, high, low } of await this.#admin.fetchTopicOffsets(topic)) {
      const found = this.#picture.partition(topic, partition);
      found.logStartOffset = Number(low);
      // A produce may have been acknowledged since this was answered.
      found.highWatermark = Math.max(found.highWatermark, Number(high));
    }
  }

  async #groups(): Promise<void> {
    const groupIds = (await this.#admin.listGroups()).groups.map(({ groupId }) => groupId);
    const there = new Set(groupIds);
    for (const groupId of this.#picture.groups.keys()) {
      if (!there.has(groupId)) this.#picture.groups.delete(groupId);
    }
    if (groupIds.length === 0) return;
    for (const described of (await this.#admin.describeGroups(groupIds)).groups) {
      const group = this.#picture.group(described.groupId);
      group.state = described.state;
      group.assignor = described.protocol;
      group.members = described.members.map(({ memberId, clientId, assignment }) => ({
        memberId,
        clientId,
        assignment,
      }));
    }
    // The answers are frames too, and folded in their order: here they might come after a newer
    // commit.
    await eachAtOnce(groupIds, REQUESTS_AT_ONCE_MAX, (groupId) =>
      this.#admin.fetchOffsets({ groupId }),
    );
  }
}
