import { render } from "lit-html";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/tape.css";
import "./styles/cards.css";
import "./styles/recovery.css";
import { Dots } from "./dots.ts";
import { watchBroker } from "./engine/crash.ts";
import { Playground } from "./playground.ts";
import { pageView } from "./views/page.ts";

/** Text that changes faster cannot be read. */
const RENDER_INTERVAL_MS = 100;
/** Rates sink to zero though nothing happens any more. */
const RATES_INTERVAL_MS = 1_000;
/** What moved is told in words so often at most. */
const ACTIVITY_INTERVAL_MS = 5_000;
/** A cell of a tape with its gap; see tape.css. */
const CELL_WIDTH_PX = 40;

watchBroker();

const root = document.body;
let scheduled = false;
let renderedMs = 0;

const app = new Playground(() => {
  if (!app.paused) schedule(RENDER_INTERVAL_MS);
});

function schedule(intervalMs: number): void {
  if (scheduled) return;
  scheduled = true;
  setTimeout(
    () => requestAnimationFrame(draw),
    Math.max(0, renderedMs + intervalMs - performance.now()),
  );
}

function draw(nowMs: number): void {
  scheduled = false;
  renderedMs = nowMs;
  render(pageView(app), root);
  dots.draw();
  if (app.topicPicture !== undefined) {
    app.tapes.fill(app.topicPicture, app.partitionsInView.shown, nowMs);
  }
}

render(pageView(app), root);
const flow = find(".flow");
const canvas = find(".dots") as HTMLCanvasElement;
const dots = new Dots(canvas, flow);

app.onMoves = (moves) => {
  if (!app.paused && !document.hidden) dots.add(moves);
};
new ResizeObserver(() => {
  const tape = document.querySelector(".tape") ?? find(".topic");
  const fits = Math.floor(tape.clientWidth / CELL_WIDTH_PX);
  app.tapes.capacity = Math.max(4, fits);
  schedule(0);
}).observe(flow);
// What a person does shows at once, also while the view is paused.
for (const type of ["click", "change", "input", "submit", "hashchange"]) {
  addEventListener(type, () => {
    schedule(0);
  });
}
setInterval(() => {
  if (!app.paused) schedule(RENDER_INTERVAL_MS);
}, RATES_INTERVAL_MS);
setInterval(() => {
  if (!app.paused && app.activity.sumUp()) schedule(RENDER_INTERVAL_MS);
}, ACTIVITY_INTERVAL_MS);

await app.start();

function find(selector: string): HTMLElement {
  const found = document.querySelector<HTMLElement>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}
