import { html, nothing, type TemplateResult } from "lit-html";
import type { PartitionsInView, Playground } from "../playground.ts";
import { isInternal, type TopicPicture } from "../flow/picture.ts";
import { CONSUMER_OFFSETS } from "../records/consumer_offsets.ts";
import { groupsProgress } from "./lanes.ts";
import { count } from "./numbers.ts";
import { statusView, usable } from "./status.ts";
import { partitionView } from "./tape.ts";

/** The chosen topic: a tape for each partition. */
export function topicView(app: Playground): TemplateResult {
  const topic = app.topicPicture;
  return html`
    <section class="column topic" aria-labelledby="topic-title">
      ${usable(app) ? (topic === undefined ? welcome() : chosen(app, topic)) : statusView(app)}
    </section>
  `;
}

function welcome(): TemplateResult {
  return html`
    <h2 id="topic-title">No topic yet</h2>
    <div class="card welcome">
      <p>
        <b>Create a topic above, or load the flights.</b> Then add members to a group and watch the
        records go from the producer to the partitions and on to the members.
      </p>
    </div>
  `;
}

function chosen(app: Playground, topic: TopicPicture): TemplateResult {
  const inView = app.partitionsInView;
  const groups = groupsProgress(app, topic.name);
  return html`
    <div class="title">
      <h2 id="topic-title">Topic <code>${topic.name}</code></h2>
      ${
        isInternal(topic.name)
          ? nothing
          : html`<button
              class="quiet danger"
              data-testid="delete-topic"
              @click=${() => {
                if (confirm(`Delete the topic ${topic.name} with its records?`)) {
                  void app.deleteTopic(topic.name);
                }
              }}
            >
              Delete
            </button>`
      }
    </div>
    <p class="hint">${explanation(topic.name)}</p>
    ${groups.length === 0 || isInternal(topic.name) ? nothing : legend()} ${turnView(app, inView)}
    ${inView.shown.map(([index, partition]) => partitionView(app, topic.name, index, partition, groups))}
    ${
      inView.empty === 0
        ? nothing
        : html`<p class="hint" data-testid="hidden-partitions">
            ${inView.empty} partitions never had a record and are not shown.
          </p>`
    }
  `;
}

/** Buttons for a topic with more partitions than are shown. */
function turnView(
  app: Playground,
  { shown, first, of }: PartitionsInView,
): TemplateResult | typeof nothing {
  if (shown.length === of) return nothing;
  const button = (text: string, pages: -1 | 1, disabled: boolean): TemplateResult => html`
    <button
      ?disabled=${disabled}
      @click=${() => {
        app.turnPartitions(pages);
      }}
    >
      ${text}
    </button>
  `;
  const last = first + shown.length;
  return html`
    <div class="row turn" data-testid="turn-partitions">
      ${button("← Before", -1, first === 0)}
      <span class="hint"> ${count(first + 1)} to ${count(last)} of ${count(of)} partitions </span>
      ${button("Behind →", 1, last === of)}
    </div>
  `;
}

function legend(): TemplateResult {
  return html`
    <p class="legend" aria-hidden="true">
      <span><i class="mark position"></i> position: what a member reads next</span>
      <span><i class="mark committed"></i> committed: where its successor would resume</span>
    </p>
  `;
}

function explanation(topic: string): string {
  return topic === CONSUMER_OFFSETS
    ? "Kafka's own topic, read like any other: every commit and every generation of a group is a record here. The partition is a hash of the group's name."
    : "Each partition is a log: records are appended at its end and keep their offset. The high watermark is the end that consumers may see.";
}
