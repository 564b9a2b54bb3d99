import { html, nothing, type TemplateResult } from "lit-html";
import { FLIGHTS_CLIENT_ID, FLIGHTS_TOPIC } from "../engine/flights.ts";
import type { ProduceForm } from "../engine/producer.ts";
import { type ClientPicture, isInternal } from "../flow/picture.ts";
import type { Playground } from "../playground.ts";
import { field } from "./form.ts";
import { count, perSecond } from "./numbers.ts";
import { stopped } from "./status.ts";

const COUNT_MAX = 100_000;
const STREAM_RATES = [0, 1, 5, 20, 100];

/** Those who produce, with the forms that make them. */
export function producersView(app: Playground): TemplateResult {
  const own = [FLIGHTS_CLIENT_ID, app.producer.clientId];
  const others = [...app.picture.producers.keys()].filter((clientId) => !own.includes(clientId));
  return html`
    <section class="column producers" aria-labelledby="producers-title" ?inert=${stopped(app)}>
      <h2 id="producers-title">Producers</h2>
      <p class="hint">
        A producer appends records. The key decides the partition; records without a key take turns.
      </p>
      ${flightsCard(app)} ${produceForm(app)}
      ${others.map(
        (clientId) => html`
          <div class="card" data-node="producer:${clientId}">${figures(app, clientId)}</div>
        `,
      )}
    </section>
  `;
}

function figures(app: Playground, clientId: string): TemplateResult {
  const client = app.picture.producers.get(clientId);
  return html`
    <p class="figures">
      <code>${clientId}</code>
      <span><b>${count(client?.records ?? 0)}</b> acknowledged</span>
      ${rate(client)}
    </p>
  `;
}

function rate(client: ClientPicture | undefined): TemplateResult {
  return html`<span class="rate">${perSecond(client?.rate.perSecond(Date.now()) ?? 0)}</span>`;
}

function flightsCard(app: Playground): TemplateResult {
  const load = app.flights;
  const loader = app.picture.producers.get(FLIGHTS_CLIENT_ID);
  const again = app.picture.topics.has(FLIGHTS_TOPIC) && load?.running !== true;
  return html`
    <div class="card" data-node="producer:${FLIGHTS_CLIENT_ID}">
      <h3>20,000 flights</h3>
      <p class="hint">
        Departures of early 2001, keyed by airport, into the topic <code>flights</code>.
      </p>
      <button
        class="primary"
        data-testid="load-flights"
        ?disabled=${load?.running === true}
        @click=${() => void app.loadFlights()}
      >
        ${again ? "Load the flights again" : "Load the flights"}
      </button>
      ${
        load === undefined
          ? nothing
          : html`
              <label class="progress">
                <progress
                  data-testid="progress"
                  max=${load.total === 0 ? 1 : load.total}
                  .value=${load.acked}
                ></progress>
                <span>
                  <b data-testid="acked-count" data-value=${load.acked}>${count(load.acked)}</b>
                  of ${load.total === 0 ? "…" : count(load.total)} acknowledged ${rate(loader)}
                </span>
              </label>
            `
      }
    </div>
  `;
}

function produceForm(app: Playground): TemplateResult {
  const topic = app.topic;
  const disabled = topic === undefined || isInternal(topic);
  const { form, stream } = app.producer;
  return html`
    <form
      class="card"
      data-testid="produce-form"
      data-node="producer:${app.producer.clientId}"
      @submit=${(event: SubmitEvent) => {
        event.preventDefault();
        if (topic === undefined) return;
        void app.produce(topic);
      }}
      @input=${(event: Event) => {
        const form = (event.target as HTMLInputElement).form;
        if (form !== null) app.producer.form = read(form);
      }}
    >
      <h3>Produce${topic === undefined ? nothing : html` to <code>${topic}</code>`}</h3>
      <fieldset ?disabled=${disabled && stream === undefined}>
        <label>
          <span>Key <small>(empty: none)</small></span>
          <input name="key" .value=${form.key} data-testid="key" />
        </label>
        <label>
          Value
          <textarea name="value" rows="2" .value=${form.value} data-testid="value"></textarea>
        </label>
        <label>
          <span>Headers <small>(name=value, …)</small></span>
          <input
            name="headers"
            .value=${form.headers}
            placeholder="source=form"
            data-testid="headers"
          />
        </label>
        <p class="hint">
          <code>{n}</code> counts up, <code>{user}</code> is one of nine, <code>{time}</code> is
          now.
        </p>
        <div class="row">
          <label>
            Records
            <input
              name="count"
              type="number"
              min="1"
              max=${COUNT_MAX}
              .value=${String(form.count)}
              required
              data-testid="count"
            />
          </label>
          <button class="primary" data-testid="produce" ?disabled=${disabled}>Produce</button>
        </div>
        <label>
          <span
            >Steady
            stream${stream === undefined ? nothing : html` to <code>${stream.topic}</code>`}</span
          >
          <select
            data-testid="stream"
            @change=${(event: Event) => {
              const select = event.target as HTMLSelectElement;
              // A stream that runs keeps its topic, whichever is looked at.
              const to = stream?.topic ?? topic;
              if (to === undefined) return;
              app.stream(to, Number(select.value));
            }}
          >
            ${STREAM_RATES.map(
              (rate) =>
                html`<option value=${rate} .selected=${rate === (stream?.rate ?? 0)}>
                  ${rate === 0 ? "off" : `${rate} per second`}
                </option>`,
            )}
          </select>
        </label>
      </fieldset>
      ${figures(app, app.producer.clientId)}
    </form>
  `;
}

function read(form: HTMLFormElement): ProduceForm {
  return {
    key: field(form, "key"),
    value: field(form, "value"),
    headers: field(form, "headers"),
    count: Number(field(form, "count")),
  };
}
