import type { ClusterStatus } from "tablog";
import { Cluster, PAGE_CLIENT_ID } from "./engine/cluster.ts";
import { crashBroker } from "./engine/crash.ts";
import { deleteCluster } from "./engine/delete_cluster.ts";
import { FLIGHTS_TOPIC, FlightsLoad } from "./engine/flights.ts";
import { Group } from "./engine/group.ts";
import { Ledger } from "./engine/ledger.ts";
import { FormProducer } from "./engine/producer.ts";
import { Reader } from "./engine/reader.ts";
import { loadSession, saveSession, type Session } from "./engine/session.ts";
import { Survey } from "./engine/survey.ts";
import { Surveys } from "./engine/surveys.ts";
import { Activity } from "./flow/activity.ts";
import { errorName, KAFKA_STORAGE_ERROR } from "./flow/error_names.ts";
import { type Exchange, Fold, type Move } from "./flow/fold.ts";
import { FrameLog } from "./flow/frames.ts";
import {
  isInternal,
  Picture,
  entry,
  type PartitionPicture,
  type TopicPicture,
} from "./flow/picture.ts";
import { Recoveries } from "./flow/recovery.ts";
import { type TopicList, topicList } from "./flow/topic_list.ts";
import { Notices } from "./notices.ts";
import { TapeWindows } from "./tape_windows.ts";
import type { StoredRecord } from "./records/stored.ts";

/** Frames often come several at once; one survey does for all. */
const SURVEY_DELAY_MS = 120;

/** Partitions of a topic that are in view at a time. */
const PARTITIONS_SHOWN_MAX = 24;

/** Until then the log must be at rest for a moment, so that it can be compared. */
const BALANCE_MS_MAX = 120_000;

/** A part of a topic's partitions. */
export interface PartitionsInView {
  shown: [index: number, partition: PartitionPicture][];
  /** How many come before those that are shown. */
  first: number;
  of: number;
  /** How many are left out for never having had a record. */
  empty: number;
}

/** The state of the page, and everything that a person can do with it. */
export class Playground {
  readonly picture = new Picture();
  readonly frames = new FrameLog();
  readonly activity = new Activity();
  readonly notices: Notices;
  /** How the last death of the broker went. */
  readonly recoveries = new Recoveries();
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
  /** What the names of listed topics have in them. */
  search = "";
  /** The first partition in view, of a topic with more than can be shown. */
  firstPartition = 0;
  /** Takes records that moved, for the dots. */
  onMoves: (moves: readonly Move[]) => void = () => undefined;
  readonly #cluster = new Cluster();
  readonly #fold = new Fold(this.picture);
  readonly #ledger: Ledger;
  readonly #changed: () => void;
  readonly #survey: Survey;
  readonly #surveys = new Surveys(() => this.#lookAround());
  /** Nothing is to be found again after a reload. */
  #forgotten = false;

  /** @param changed is called whenever there is something new to show */
  constructor(changed: () => void) {
    this.#changed = changed;
    this.notices = new Notices(changed);
    this.#survey = new Survey(this.#cluster.admin, this.picture);
    this.#ledger = new Ledger(
      (topic) => this.#end(topic),
      () => {
        this.recoveries.acknowledged(performance.now());
      },
    );
    this.producer = new FormProducer(this.#ledger, changed);
    this.tapes = new TapeWindows(new Reader(), changed, (error) => {
      this.notices.fail(error);
    });
    addEventListener("hashchange", () => {
      this.firstPartition = 0;
      changed();
      this.#surveys.soon(SURVEY_DELAY_MS);
    });
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
      const { underWay } = this.#ledger;
      if (this.recoveries.status(status, underWay, performance.now())) void this.#checkBalance();
      this.#changed();
    });
    this.status = kafka.status;
    const session = loadSession();
    if (session !== undefined) this.producer.form = session.form;
    addEventListener("pagehide", () => {
      saveSession(this.#session());
    });
    try {
      await admin.connect();
    } catch (error) {
      this.failure = error;
      this.#changed();
      return;
    }
    await this.#surveys.now();
    if (session !== undefined) await this.#resume(session);
  }

  /**
   * The chosen topic. It stands in the address, so a reload keeps it. One of Kafka's own is shown to
   * who asks for it, never for want of another.
   */
  get topic(): string | undefined {
    const wanted = new URLSearchParams(location.hash.slice(1)).get("topic");
    if (wanted !== null && this.picture.topics.has(wanted)) return wanted;
    return this.picture.topicNames.find((name) => !isInternal(name));
  }

  /** The topics that are listed. */
  get topicList(): TopicList {
    return topicList(this.picture, this.search, this.topic);
  }

  /** Lists the topics whose names have `search` in them. */
  searchTopics(search: string): void {
    this.search = search;
    this.#changed();
    this.#surveys.soon(SURVEY_DELAY_MS);
  }

  get topicPicture(): TopicPicture | undefined {
    return this.topic === undefined ? undefined : this.picture.topics.get(this.topic);
  }

  /** The partitions of the chosen topic that are in view, with their numbers. */
  get partitionsInView(): PartitionsInView {
    const topic = this.topicPicture;
    if (topic === undefined) return { shown: [], first: 0, of: 0, empty: 0 };
    const all = [...topic.partitions.entries()];
    // Kafka makes fifty partitions for offsets, and a group uses one.
    const used = isInternal(topic.name)
      ? all.filter(([, { highWatermark }]) => highWatermark > 0)
      : all;
    const last = Math.max(0, used.length - PARTITIONS_SHOWN_MAX);
    const first = Math.min(this.firstPartition, last);
    const shown = used.slice(first, first + PARTITIONS_SHOWN_MAX);
    return { shown, first, of: used.length, empty: all.length - used.length };
  }

  /** Shows the partitions before (-1) or behind (1) those in view. */
  turnPartitions(pages: -1 | 1): void {
    const { first } = this.partitionsInView;
    this.firstPartition = Math.max(0, first + pages * PARTITIONS_SHOWN_MAX);
    this.#changed();
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
    this.#ledger.forget(topic);
    await this.#surveys.now();
    // Only now is it certain that no tape of it is in view, which would read it again.
    this.tapes.forget();
  }

  /** Produces what the form says. */
  async produce(topic: string): Promise<void> {
    await this.#attempt(this.producer.send(topic, this.producer.form.count));
  }

  /** Produces what the form says, `rate` records per second. A rate of 0 ends it, and a failure. */
  stream(topic: string, rate: number): void {
    this.producer.setStream(topic, rate, (error) => {
      this.notices.fail(error);
    });
  }

  async loadFlights(): Promise<void> {
    const load = new FlightsLoad();
    this.flights = load;
    this.chooseTopic(FLIGHTS_TOPIC);
    const loaded = await this.#attempt(load.run(this.#cluster.admin, this.#ledger, this.#changed));
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

  /** Ends the broker in the middle of whatever it does. */
  crash(): void {
    this.recoveries.killed(this.#ledger.underWay, performance.now());
    crashBroker();
    this.#changed();
  }

  /** Deletes all that the broker keeps, and begins anew. */
  async deleteAll(): Promise<void> {
    this.#forgotten = true;
    if (!(await this.#attempt(deleteCluster()))) {
      this.#forgotten = false;
      return;
    }
    history.replaceState(null, "", location.pathname);
    location.reload();
  }

  async #lookAround(): Promise<void> {
    if (this.status === "running") {
      await this.#attempt(
        this.#survey.run(() => ({ topic: this.topic, topics: this.topicList.names })),
      );
    }
    this.#changed();
  }

  /** The sum of a topic's high watermarks. */
  async #end(topic: string): Promise<number> {
    const offsets = await this.#cluster.admin.fetchTopicOffsets(topic);
    return offsets.reduce((sum, { high }) => sum + Number(high), 0);
  }

  /** After a crash: whether the log has what was acknowledged. */
  async #checkBalance(): Promise<void> {
    const recovery = this.recoveries.last;
    if (recovery === undefined) return;
    await this.#attempt(async () => {
      recovery.balance = await this.#ledger.balance(AbortSignal.timeout(BALANCE_MS_MAX));
    });
    this.#changed();
  }

  #session(): Session {
    const { form, stream } = this.producer;
    if (this.#forgotten) return { form, groups: [] };
    const groups = [...this.groups.values()].map(({ groupId, settings, members }) => ({
      groupId,
      ...settings,
      members: members
        .filter(({ leaving }) => !leaving)
        .map(({ clientId, topic, paused }) => ({ clientId, topic, paused })),
    }));
    return {
      form,
      groups: groups.filter(({ members }) => members.length > 0),
      ...(stream === undefined ? {} : { stream: { topic: stream.topic, rate: stream.rate } }),
    };
  }

  /** Sets going again what the tab had going before it was loaded again. */
  async #resume({ stream, groups }: Session): Promise<void> {
    const there = (topic: string): boolean => this.picture.topics.has(topic);
    if (stream !== undefined && there(stream.topic)) this.stream(stream.topic, stream.rate);
    const joining = groups.flatMap(({ groupId, autoCommit, processingMs, members }) => {
      const group = this.group(groupId);
      Object.assign(group.settings, { autoCommit, processingMs });
      return members
        .filter(({ topic }) => there(topic))
        .map(({ topic, clientId, paused }) => this.#attempt(group.add(topic, clientId, paused)));
    });
    await Promise.all(joining);
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
