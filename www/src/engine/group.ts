import { type GroupSettings, Member } from "./member.ts";

/** The members of a consumer group that run in this page, and how they work. */
export class Group {
  readonly groupId: string;
  readonly members: Member[] = [];
  readonly settings: GroupSettings = { autoCommit: true, processingMs: 0 };
  readonly #changed: () => void;

  constructor(groupId: string, changed: () => void) {
    this.groupId = groupId;
    this.#changed = changed;
  }

  /** Adds a member that reads `topic`. */
  async add(topic: string, clientId = this.#freeName(), paused = false): Promise<void> {
    const member = new Member(this.groupId, clientId, topic, this.settings, this.#changed);
    member.paused = paused;
    this.members.push(member);
    this.#changed();
    try {
      await member.start();
    } catch (error) {
      this.#forget(member);
      throw error;
    }
  }

  /** It is one of the group until it has left, which takes a while when it cannot commit. */
  async remove(member: Member): Promise<void> {
    try {
      await member.stop();
    } finally {
      this.#forget(member);
    }
  }

  async removeAll(): Promise<void> {
    await Promise.all([...this.members].map((member) => this.remove(member)));
  }

  /** Whether members commit by themselves; those that run start again, since it is fixed then. */
  async setAutoCommit(autoCommit: boolean): Promise<void> {
    this.settings.autoCommit = autoCommit;
    const topics = this.members.map((member) => member.topic);
    await this.removeAll();
    await Promise.all(topics.map((topic) => this.add(topic)));
  }

  /** Moves whichever member has the partition. False when none of this page has it. */
  seek(topic: string, partition: number, offset: number): boolean {
    const owner = this.members.find(
      (member) => !member.leaving && member.topic === topic && member.assigned.has(partition),
    );
    owner?.seek(partition, offset);
    return owner !== undefined;
  }

  /** The first number that no member has, so that one that starts again keeps its name. */
  #freeName(): string {
    const taken = new Set(this.members.map(({ clientId }) => clientId));
    let number = 1;
    while (taken.has(`${this.groupId}-${number}`)) number += 1;
    return `${this.groupId}-${number}`;
  }

  #forget(member: Member): void {
    const index = this.members.indexOf(member);
    if (index >= 0) this.members.splice(index, 1);
    this.#changed();
  }
}
