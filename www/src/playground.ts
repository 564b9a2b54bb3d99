import type { ClusterStatus } from "tablog";
import { Cluster, PAGE_CLIENT_ID } from "./engine/cluster.ts";
import { deleteCluster } from "./engine/delete_cluster.ts";
import { FLIGHTS_TOPIC, FlightsLoad } from "./engine/flights.ts";
import { Group } from "./engine/group.ts";
import { FormProducer, type ProduceForm } from "./engine/producer.ts";
import { Reader } from "./engine/reader.ts";
import { survey } from "./engine/survey.ts";
import { Surveys } from "./engine/surveys.ts";
import { Activity } from "./flow/activity.ts";
import { errorName, KAFKA_STORAGE_ERROR } from "./flow/error_names.ts";
import { type Exchange, Fold, type Move } from "./flow/fold.ts";
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
  /** Why the broker cannot run. */
  failure: unknown;
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
      for (const exchange of changes.exchanges) this.#tellStorageErrors(exchange);
      if (changes.survey) this.#surveys.soon(SURVEY_DELAY_MS);
      if (changes.exchanges.length > 0) this.#changed();
    });
    kafka.on("status", (status) => {
      // After a failure the last client gives the cluster up, which closes it.
      if (this.status !== "failed") this.status = status;
      if (status === "failed") void this.#findFailure();
      this.#changed();
    });
    this.status = kafka.status;
    try {
      await admin.connect();
    } catch (error) {
      this.failure = error;
      this.#changed();
      return;
    }
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

  /** False when it failed. */
  async createTopic(topic: string, numPartitions: number): Promise<boolean> {
    const { admin } = this.#cluster;
    const done = await this.#attempt(async () => {
      const created = await admin.createTopics({ topics: [{ topic, numPartitions }] });
      if (!created) this.notices.say(`The topic ${topic} was there already.`);
    });
    if (!done) return false;
    await this.#surveys.now();
    this.chooseTopic(topic);
    return true;
  }

  async deleteTopic(topic: string): Promise<void> {
    this.producer.endStream(topic);
    await this.#attempt(this.#cluster.admin.deleteTopics({ topics: [topic] }));
    await this.#surveys.now();
    // Only now is it certain that no tape of it is in view, which would read it again.
    this.tapes.forget();
  }

  /** False when it failed. */
  async produce(topic: string, form: ProduceForm): Promise<boolean> {
    return this.#attempt(this.producer.send(topic, form));
  }

  /**
   * Produces what `form` says, one record at a time, `rate` times per second. A rate of 0 ends it,
   * and so does a failure.
   */
  stream(topic: string, rate: number, form: () => ProduceForm): void {
    const send = async (): Promise<void> => {
      if (!(await this.produce(topic, { ...form(), count: 1 }))) this.producer.endStream(topic);
    };
    this.producer.setStream(topic, rate, () => void send());
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
    const { logStartOffset = 0, highWatermark = 0 } =
      this.topicPicture?.partitions[partition] ?? {};
    if (offset < logStartOffset || highWatermark < offset) {
      const range = `from ${logStartOffset} to ${highWatermark}`;
      this.notices.fail(new RangeError(`P${partition} has offsets ${range}, not ${offset}.`));
      return;
    }
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

  /** Deletes all that the broker keeps, and begins anew. */
  async deleteAll(): Promise<void> {
    if (!(await this.#attempt(deleteCluster()))) return;
    history.replaceState(null, "", location.pathname);
    location.reload();
  }

  async #survey(): Promise<void> {
    if (this.status === "running") await this.#attempt(survey(this.#cluster.admin, this.picture));
    this.#changed();
  }

  /** Producers try again for minutes, and somebody who waits should know why. */
  #tellStorageErrors({ request, refusals }: Exchange): void {
    if (request.api !== "Produce") return;
    const refusal = refusals.find(({ errorCode }) => errorCode === KAFKA_STORAGE_ERROR);
    if (refusal === undefined) return;
    const text = `${errorName(KAFKA_STORAGE_ERROR)}: ${refusal.message ?? ""}`;
    this.notices.fail(`${text}. The producer ${request.clientId} tries again.`);
  }

  /** A cluster that failed tells every client why. */
  async #findFailure(): Promise<void> {
    try {
      await this.#cluster.admin.listTopics();
    } catch (error) {
      this.failure ??= error;
      this.#changed();
    }
  }

  async #attempt(action: Promise<unknown> | (() => Promise<unknown>)): Promise<boolean> {
    try {
      await (typeof action === "function" ? action() : action);
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
