import { html, nothing, type TemplateResult } from "lit-html";
import type { ProduceForm } from "../engine/producer.ts";
import type { ClientPicture } from "../flow/picture.ts";
import { isInternal, type Playground } from "../playground.ts";
import { field } from "./form.ts";
import { count, perSecond } from "./numbers.ts";

const COUNT_MAX = 100_000;
const STREAM_RATES = [0, 1, 5, 20, 100];

/** Those who produce, and the forms that make them. */
export function producersView(app: Playground): TemplateResult {
  const clients = new Map(app.picture.producers);
  return html`
    <section class="column producers" aria-labelledby="producers-title">
      <h2 id="producers-title">Producers</h2>
      <p class="hint">
        A producer appends records. Its key decides the partition; records without a key take turns.
      </p>
      ${[...clients].map(([clientId, client]) => producerCard(clientId, client))}
      ${flightsCard(app)} ${produceForm(app)}
    </section>
  `;
}

function producerCard(clientId: string, { records, rate }: ClientPicture): TemplateResult {
  return html`
    <div class="card producer" data-node="producer:${clientId}">
      <h3>${clientId}</h3>
      <p class="figures">
        <strong>${count(records)}</strong> acknowledged
        <span class="rate">${perSecond(rate.perSecond(Date.now()))}</span>
      </p>
    </div>
  `;
}

function flightsCard(app: Playground): TemplateResult {
  const load = app.flights;
  return html`
    <div class="card">
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
        Load the flights
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
                  of ${count(load.total)} acknowledged
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
  return html`
    <form
      class="card"
      data-testid="produce-form"
      @submit=${(event: SubmitEvent) => {
        event.preventDefault();
        void app.produce(read(event.target as HTMLFormElement));
      }}
    >
      <h3>Produce${topic === undefined ? nothing : html` to <code>${topic}</code>`}</h3>
      <fieldset ?disabled=${disabled}>
        <label>
          <span>Key <small>(empty: none)</small></span>
          <input name="key" value="{user}" data-testid="key" />
        </label>
        <label>
          Value
          <textarea name="value" rows="2" data-testid="value">{"n": {n}, "at": "{time}"}</textarea>
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
              value="1"
              required
              data-testid="count"
            />
          </label>
          <button class="primary" data-testid="produce">Produce</button>
        </div>
        <label>
          Steady stream
          <select
            data-testid="stream"
            @change=${(event: Event) => {
              const select = event.target as HTMLSelectElement;
              app.stream(Number(select.value), () => read(select.form as HTMLFormElement));
            }}
          >
            ${STREAM_RATES.map(
              (rate) =>
                html`<option value=${rate} ?selected=${rate === app.producer.streamRate}>
                  ${rate === 0 ? "off" : `${rate} per second`}
                </option>`,
            )}
          </select>
        </label>
        <p class="hint">
          Acknowledged:
          <b data-testid="produced-count" data-value=${app.producer.acked}
            >${count(app.producer.acked)}</b
          >
        </p>
      </fieldset>
    </form>
  `;
}

function read(form: HTMLFormElement): ProduceForm {
  return {
    key: field(form, "key"),
    value: field(form, "value"),
    count: Number(field(form, "count")),
  };
}
