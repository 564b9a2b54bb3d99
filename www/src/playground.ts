import type { ClusterStatus } from "tablog";
import { Cluster, PAGE_CLIENT_ID } from "./engine/cluster.ts";
import { FLIGHTS_TOPIC, FlightsLoad } from "./engine/flights.ts";
import { Group } from "./engine/group.ts";
import { FormProducer, type ProduceForm } from "./engine/producer.ts";
import { Reader } from "./engine/reader.ts";
import { survey } from "./engine/survey.ts";
import { Surveys } from "./engine/surveys.ts";
import { Activity } from "./flow/activity.ts";
import { Fold, type Move } from "./flow/fold.ts";
import { FrameLog } from "./flow/frames.ts";
import { Picture, entry, type TopicPicture } from "./flow/picture.ts";
import { Notices } from "./notices.ts";
import { TapeWindows } from "./tape_windows.ts";
import type { StoredRecord } from "./records/stored.ts";

/** Frames often come several at once; one survey does for all. */
const SURVEY_DELAY_MS = 120;

/** The state of the page, and everything that a person can do with it. */
export class Playground {
  readonly picture = new Picture();
  readonly frames = new FrameLog();
  readonly activity = new Activity();
  readonly notices: Notices;
  readonly producer: FormProducer;
  readonly tapes: TapeWindows;
  /** Groups with members in this page, by group id. */
  readonly groups = new Map<string, Group>();
  status: ClusterStatus = "starting";
  flights: FlightsLoad | undefined;
  selected: StoredRecord | undefined;
  /** While paused nothing moves or updates by itself; the broker goes on. */
  paused = false;
  /** Takes records that moved, for the dots. */
  onMoves: (moves: readonly Move[]) => void = () => undefined;
  readonly #cluster = new Cluster();
  readonly #fold = new Fold(this.picture);
  readonly #changed: () => void;
  readonly #surveys = new Surveys(() => this.#survey());

  /** @param changed is called whenever there is something new to show */
  constructor(changed: () => void) {
    this.#changed = changed;
    this.notices = new Notices(changed);
    this.producer = new FormProducer(changed);
    this.tapes = new TapeWindows(new Reader(), changed, (error) => {
      this.notices.fail(error);
    });
    addEventListener("hashchange", changed);
  }

  async start(): Promise<void> {
    const { kafka, admin } = this.#cluster;
    kafka.onTrace((events) => {
      const changes = this.#fold.apply(events);
      this.frames.add(changes.exchanges);
      const moves = changes.moves.filter((move) => !move.clientId.startsWith(PAGE_CLIENT_ID));
      this.activity.add(moves);
      if (moves.length > 0) this.onMoves(moves);
      if (changes.survey) this.#surveys.soon(SURVEY_DELAY_MS);
      if (changes.exchanges.length > 0) this.#changed();
    });
    kafka.on("status", (status) => {
      this.status = status;
      this.#changed();
    });
    this.status = kafka.status;
    if (!(await this.#attempt(admin.connect()))) return;
    this.#surveys.soon(0);
  }

  /** The chosen topic. It stands in the address, so a reload keeps it. */
  get topic(): string | undefined {
    const wanted = new URLSearchParams(location.hash.slice(1)).get("topic");
    if (wanted !== null && this.picture.topics.has(wanted)) return wanted;
    return [...this.picture.topics.keys()].sort(internalLast)[0];
  }

  get topicPicture(): TopicPicture | undefined {
    return this.topic === undefined ? undefined : this.picture.topics.get(this.topic);
  }

  chooseTopic(topic: string): void {
    location.hash = new URLSearchParams({ topic }).toString();
  }

  async createTopic(topic: string, numPartitions: number): Promise<void> {
    const created = this.#cluster.admin.createTopics({ topics: [{ topic, numPartitions }] });
    if (!(await this.#attempt(created))) return;
    await this.#surveys.now();
    this.chooseTopic(topic);
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#attempt(this.#cluster.admin.deleteTopics({ topics: [topic] }));
    this.tapes.forget();
    await this.#surveys.now();
  }

  async produce(topic: string, form: ProduceForm): Promise<void> {
    await this.#attempt(this.producer.send(topic, form));
  }

  /** Produces what `form` says, one record at a time, `rate` times per second; 0 ends it. */
  stream(topic: string, rate: number, form: () => ProduceForm): void {
    this.producer.setStream(rate, () => void this.produce(topic, { ...form(), count: 1 }));
  }

  async loadFlights(): Promise<void> {
    const load = new FlightsLoad();
    this.flights = load;
    this.chooseTopic(FLIGHTS_TOPIC);
    const loaded = await this.#attempt(load.run(this.#cluster.admin, this.#changed));
    if (loaded) this.notices.say(`${load.acked.toLocaleString("en")} flights are in the log.`);
  }

  group(groupId: string): Group {
    return entry(this.groups, groupId, () => new Group(groupId, this.#changed));
  }

  async addMember(groupId: string): Promise<void> {
    const { topic } = this;
    if (topic === undefined) return;
    await this.#attempt(this.group(groupId).add(topic));
    this.#surveys.soon(SURVEY_DELAY_MS);
  }

  async deleteGroup(groupId: string): Promise<void> {
    await this.group(groupId).removeAll();
    this.groups.delete(groupId);
    await this.#attempt(this.#cluster.admin.deleteGroups([groupId]));
    await this.#surveys.now();
  }

  /** Runs what a button asked for. */
  async act(action: Promise<unknown>): Promise<void> {
    await this.#attempt(action);
    this.#surveys.soon(SURVEY_DELAY_MS);
  }

  /** Moves a group: its member here if one has the partition, else its committed offset. */
  async seek(groupId: string, partition: number, offset: number): Promise<void> {
    const { topic } = this;
    if (topic === undefined || this.group(groupId).seek(topic, partition, offset)) return;
    const partitions = [{ partition, offset: String(offset) }];
    await this.act(this.#cluster.admin.setOffsets({ groupId, topic, partitions }));
  }

  select(record: StoredRecord | undefined): void {
    this.selected = record;
    this.#changed();
  }

  togglePaused(): void {
    this.paused = !this.paused;
    this.#changed();
  }

  /** Deletes every group and topic. */
  async deleteAll(): Promise<void> {
    await Promise.all([...this.groups.values()].map((group) => group.removeAll()));
    this.groups.clear();
    const { admin } = this.#cluster;
    const groupIds = [...this.picture.groups.keys()];
    if (groupIds.length > 0) await this.#attempt(admin.deleteGroups(groupIds));
    const topics = [...this.picture.topics.keys()].filter((topic) => !isInternal(topic));
    if (topics.length > 0) await this.#attempt(admin.deleteTopics({ topics }));
    this.tapes.forget();
    this.flights = undefined;
    await this.#surveys.now();
  }

  async #survey(): Promise<void> {
    if (this.status === "running") await this.#attempt(survey(this.#cluster.admin, this.picture));
    this.#changed();
  }

  async #attempt(action: Promise<unknown>): Promise<boolean> {
    try {
      await action;
      return true;
    } catch (error) {
      this.notices.fail(error);
      return false;
    }
  }
}

/** Whether it is one of Kafka's own topics. */
export function isInternal(topic: string): boolean {
  return topic.startsWith("__");
}

function internalLast(a: string, b: string): number {
  return Number(isInternal(a)) - Number(isInternal(b)) || a.localeCompare(b);
}
