import { html, nothing, type TemplateResult } from "lit-html";
import type { Playground } from "../playground.ts";
import { isInternal } from "../flow/picture.ts";
import { TOPICS_SHOWN_MAX } from "../flow/topic_list.ts";
import { field } from "./form.ts";
import { count } from "./numbers.ts";
import { stopped } from "./status.ts";

const PARTITIONS_MAX = 100;

/** The topics to choose from, and the form that creates one. */
export function topicsView(app: Playground): TemplateResult {
  const { names, more } = app.topicList;
  const chosen = app.topic;
  const many = app.picture.topics.size > TOPICS_SHOWN_MAX;
  return html`
    <nav class="topics" aria-label="Topics" ?inert=${stopped(app)}>
      <h2>Topics</h2>
      ${many ? searchView(app) : nothing}
      <ul>
        ${names.map((name) => topicLink(app, name, name === chosen))}
        ${
          more === 0
            ? nothing
            : html`<li class="hint" data-testid="more-topics" data-value=${more}>
                and ${count(more)} more: search by name
              </li>`
        }
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

function searchView(app: Playground): TemplateResult {
  return html`
    <label class="search">
      <span>Search ${count(app.picture.topics.size)}</span>
      <input
        type="search"
        .value=${app.search}
        autocomplete="off"
        data-testid="search-topics"
        @input=${(event: Event) => {
          app.searchTopics((event.target as HTMLInputElement).value);
        }}
      />
    </label>
  `;
}

function topicLink(app: Playground, name: string, chosen: boolean): TemplateResult {
  const partitions = app.picture.topics.get(name)?.partitions ?? [];
  const records = partitions.reduce((sum, p) => sum + p.highWatermark - p.logStartOffset, 0);
  // Until it has been asked for.
  const known = partitions.length > 0;
  return html`
    <li>
      <a
        href="#${new URLSearchParams({ topic: name }).toString()}"
        aria-current=${chosen ? "true" : nothing}
        class=${isInternal(name) ? "internal" : ""}
        data-testid="topic"
        data-topic=${name}
      >
        <span>${name}</span><small title="records">${known ? count(records) : "…"}</small>
      </a>
    </li>
  `;
}
