import { html, nothing, type TemplateResult } from "lit-html";
import { isInternal, type Playground } from "../playground.ts";
import type { TopicPicture } from "../flow/picture.ts";
import { CONSUMER_OFFSETS } from "../records/consumer_offsets.ts";
import { groupIds } from "./marks.ts";
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
  const partitions = [...topic.partitions.entries()];
  // Kafka makes fifty partitions for offsets, and a group uses one.
  const shown = partitions.filter(
    ([, { highWatermark }]) => highWatermark > 0 || !isInternal(topic.name),
  );
  const hidden = partitions.length - shown.length;
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
    ${groupIds(app).length === 0 || isInternal(topic.name) ? nothing : legend()}
    ${shown.map(([index, partition]) => partitionView(app, topic.name, index, partition))}
    ${
      hidden === 0
        ? nothing
        : html`<p class="hint" data-testid="hidden-partitions">
            ${hidden} partitions never had a record and are not shown.
          </p>`
    }
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
