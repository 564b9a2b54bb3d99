import { html, nothing, type TemplateResult } from "lit-html";
import { isInternal, type Playground } from "../playground.ts";
import type { TopicPicture } from "../flow/picture.ts";
import { field } from "./form.ts";
import { count } from "./numbers.ts";
import { stopped } from "./status.ts";

const PARTITIONS_MAX = 100;

/** The topics to choose from, and the form that creates one. */
export function topicsView(app: Playground): TemplateResult {
  const topics = [...app.picture.topics.values()].sort(
    (a, b) => Number(isInternal(a.name)) - Number(isInternal(b.name)) || (a.name < b.name ? -1 : 1),
  );
  return html`
    <nav class="topics" aria-label="Topics" ?inert=${stopped(app)}>
      <h2>Topics</h2>
      <ul>
        ${topics.map((topic) => topicLink(app, topic))}
      </ul>
      <form
        class="inline"
        @submit=${(event: SubmitEvent) => {
          event.preventDefault();
          void create(app, event.target as HTMLFormElement);
        }}
      >
        <label>
          New topic
          <input
            name="topic"
            required
            pattern="[a-zA-Z0-9._\\-]+"
            title="Letters, digits, dot, underscore, hyphen"
            value="orders"
            maxlength="249"
            autocomplete="off"
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

async function create(app: Playground, form: HTMLFormElement): Promise<void> {
  const created = await app.createTopic(field(form, "topic"), Number(field(form, "partitions")));
  // The name that is there at first is for the first topic.
  if (created) (form.elements.namedItem("topic") as HTMLInputElement).value = "";
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
        <span>${name}</span><small title="records">${count(records)}</small>
      </a>
    </li>
  `;
}
