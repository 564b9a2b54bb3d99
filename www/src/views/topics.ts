import { html, nothing, type TemplateResult } from "lit-html";
import { isInternal, type Playground } from "../playground.ts";
import type { TopicPicture } from "../flow/picture.ts";
import { field } from "./form.ts";
import { count } from "./numbers.ts";

const PARTITIONS_MAX = 100;

/** The topics to choose from, and the form that creates one. */
export function topicsView(app: Playground): TemplateResult {
  const topics = [...app.picture.topics.values()].sort(
    (a, b) => Number(isInternal(a.name)) - Number(isInternal(b.name)) || (a.name < b.name ? -1 : 1),
  );
  return html`
    <nav class="topics" aria-label="Topics">
      <h2>Topics</h2>
      <ul>
        ${topics.map((topic) => topicLink(app, topic))}
      </ul>
      <form
        class="inline"
        @submit=${(event: SubmitEvent) => {
          event.preventDefault();
          const form = event.target as HTMLFormElement;
          void app.createTopic(field(form, "topic"), Number(field(form, "partitions")));
        }}
      >
        <label>
          New topic
          <input
            name="topic"
            required
            pattern="[a-zA-Z0-9._\\-]+"
            title="Letters, digits, dot, underscore, hyphen"
            placeholder="orders"
            data-testid="topic-name"
          />
        </label>
        <label>
          Partitions
          <input
            name="partitions"
            type="number"
            min="1"
            max=${PARTITIONS_MAX}
            value="3"
            required
            data-testid="topic-partitions"
          />
        </label>
        <button data-testid="create-topic">Create</button>
      </form>
    </nav>
  `;
}

function topicLink(app: Playground, { name, partitions }: TopicPicture): TemplateResult {
  const records = partitions.reduce((sum, p) => sum + p.highWatermark - p.logStartOffset, 0);
  return html`
    <li>
      <a
        href="#${new URLSearchParams({ topic: name }).toString()}"
        aria-current=${name === app.topic ? "true" : nothing}
        class=${isInternal(name) ? "internal" : ""}
        data-testid="topic"
        data-topic=${name}
      >
        ${name}<small>${count(records)}</small>
      </a>
    </li>
  `;
}
