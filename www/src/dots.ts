import type { Move } from "./flow/fold.ts";

const TRAVEL_MS = 650;
/** Dots of one move leave one after the other, within this time. */
const SPREAD_MS = 240;
const DOTS_PER_MOVE_MAX = 4;
const DOTS_MAX = 400;
/** A dot that goes along an edge ends before its corner, where the screen may end too. */
const EDGE_END_PX = 24;
/** From so many records on, a dot shows how many it stands for. */
const NUMBERED_RECORDS = 10;

interface Point {
  x: number;
  y: number;
}

/** A curve between two nodes of the page, in the canvas's coordinates. */
interface Path {
  from: Point;
  fromBend: Point;
  toBend: Point;
  to: Point;
}

interface Dot {
  move: Move;
  colour: string;
  records: number;
  startMs: number;
}

/**
 * Draws who is connected with whom, and the records that pass between them. Only decoration: all of
 * it stands in the page's text as well.
 */
export class Dots {
  readonly #canvas: HTMLCanvasElement;
  readonly #flow: HTMLElement;
  readonly #still = matchMedia("(prefers-reduced-motion: reduce)");
  #dots: Dot[] = [];
  #drawing = false;

  constructor(canvas: HTMLCanvasElement, flow: HTMLElement) {
    this.#canvas = canvas;
    this.#flow = flow;
  }

  /** Sends records on their way. */
  add(moves: readonly Move[]): void {
    if (this.#still.matches) return;
    const nowMs = performance.now();
    for (const move of moves) {
      const dots = Math.min(move.records, DOTS_PER_MOVE_MAX, DOTS_MAX - this.#dots.length);
      for (let i = 0; i < dots; i += 1) {
        const share = Math.floor(((i + 1) * move.records) / dots);
        const before = Math.floor((i * move.records) / dots);
        this.#dots.push({
          move,
          colour: this.#colourOf(move.partition),
          records: share - before,
          startMs: nowMs + (i * SPREAD_MS) / dots,
        });
      }
    }
    this.draw();
  }

  /** Draws now, and goes on until every dot has arrived. */
  draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame((nowMs) => {
      this.#drawing = false;
      this.#dots = this.#dots.filter((dot) => nowMs < dot.startMs + TRAVEL_MS);
      const context = this.#clear();
      if (context === null) return;
      this.#drawLinks(context);
      // The page may have been laid out anew since the last frame.
      const moves = new Set(this.#dots.map(({ move }) => move));
      const paths = new Map(Array.from(moves, (move) => [move, this.#pathOf(move)]));
      for (const dot of this.#dots) {
        const path = paths.get(dot.move);
        if (path !== undefined) drawDot(context, dot, path, nowMs);
      }
      if (this.#dots.length > 0) this.draw();
    });
  }

  #clear(): CanvasRenderingContext2D | null {
    const { width, height } = this.#flow.getBoundingClientRect();
    const scale = devicePixelRatio;
    if (this.#canvas.width !== Math.round(width * scale)) {
      this.#canvas.width = Math.round(width * scale);
    }
    if (this.#canvas.height !== Math.round(height * scale)) {
      this.#canvas.height = Math.round(height * scale);
    }
    const context = this.#canvas.getContext("2d");
    context?.setTransform(scale, 0, 0, scale, 0, 0);
    context?.clearRect(0, 0, width, height);
    return context;
  }

  /** A line from each partition to the member that has it. */
  #drawLinks(context: CanvasRenderingContext2D): void {
    for (const chip of this.#flow.querySelectorAll<HTMLElement>("[data-node^='chip:']")) {
      const partition = /:([^:]*)$/.exec(chip.dataset.node ?? "")?.[1];
      const path = this.#path(this.#node(`partition:${partition ?? ""}`), chip);
      if (path === undefined) continue;
      context.beginPath();
      context.moveTo(path.from.x, path.from.y);
      const { fromBend, toBend, to } = path;
      context.bezierCurveTo(fromBend.x, fromBend.y, toBend.x, toBend.y, to.x, to.y);
      context.strokeStyle = getComputedStyle(chip).getPropertyValue("--link");
      context.lineWidth = 1.5;
      context.stroke();
    }
  }

  #pathOf({ kind, clientId, topic, partition }: Move): Path | undefined {
    const tape = this.#node(`partition:${topic}-${partition}`);
    const produced = kind === "produced";
    const from = produced ? this.#node(`producer:${clientId}`) : tape;
    const to = produced
      ? tape
      : (this.#node(`chip:${clientId}:${topic}-${partition}`) ?? this.#node(`member:${clientId}`));
    return this.#path(from, to) ?? this.#edge(to);
  }

  /** A curve to the next column; none when they stand below each other. */
  #path(from: Element | null, to: Element | null): Path | undefined {
    if (from === null || to === null) return undefined;
    const { left, top } = this.#flow.getBoundingClientRect();
    const a = from.getBoundingClientRect();
    const b = to.getBoundingClientRect();
    // Curves stay between the columns, so that they hide no text.
    const aRight = from.closest(".column")?.getBoundingClientRect().right ?? a.right;
    const bLeft = to.closest(".column")?.getBoundingClientRect().left ?? b.left;
    if (aRight <= bLeft) {
      const start = { x: aRight - left, y: a.top + a.height / 2 - top };
      const end = { x: bLeft - left, y: b.top + b.height / 2 - top };
      const bend = (end.x - start.x) / 2;
      return {
        from: start,
        fromBend: { x: start.x + bend, y: start.y },
        toBend: { x: end.x - bend, y: end.y },
        to: end,
      };
    }
    return undefined;
  }

  /** Along the upper edge of where the records arrive: in one column a curve would cross text. */
  #edge(to: Element | null): Path | undefined {
    const frame = to?.closest(".partition, .member");
    if (to === null || frame === null || frame === undefined) return undefined;
    const { left, top } = this.#flow.getBoundingClientRect();
    const outer = frame.getBoundingClientRect();
    const inner = to.getBoundingClientRect();
    const y = outer.top - top;
    const start = { x: outer.left - left, y };
    const x = frame === to ? outer.right - EDGE_END_PX : inner.left + inner.width / 2;
    const end = { x: x - left, y };
    return { from: start, fromBend: start, toBend: end, to: end };
  }

  #node(name: string): HTMLElement | null {
    return this.#flow.querySelector(`[data-node="${CSS.escape(name)}"]`);
  }

  #colourOf(partition: number): string {
    return getComputedStyle(this.#canvas).getPropertyValue(`--partition-${partition % 8}`);
  }
}

function drawDot(context: CanvasRenderingContext2D, dot: Dot, path: Path, nowMs: number): void {
  const passed = (nowMs - dot.startMs) / TRAVEL_MS;
  if (passed < 0) return;
  const eased = passed < 0.5 ? 2 * passed ** 2 : 1 - (2 - 2 * passed) ** 2 / 2;
  const { x, y } = at(path, eased);
  const numbered = dot.records >= NUMBERED_RECORDS;
  const text = String(dot.records);
  context.fillStyle = dot.colour;
  context.beginPath();
  if (numbered) context.roundRect(x - 5 - text.length * 3.5, y - 8, 10 + text.length * 7, 16, 8);
  else context.arc(x, y, 4.5, 0, 2 * Math.PI);
  context.fill();
  if (!numbered) return;
  context.fillStyle = "#fff";
  context.font = "600 11px ui-monospace, monospace";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, x, y + 0.5);
}

function at({ from, fromBend, toBend, to }: Path, t: number): Point {
  const u = 1 - t;
  const mix = (a: number, b: number, c: number, d: number): number =>
    u ** 3 * a + 3 * u ** 2 * t * b + 3 * u * t ** 2 * c + t ** 3 * d;
  return {
    x: mix(from.x, fromBend.x, toBend.x, to.x),
    y: mix(from.y, fromBend.y, toBend.y, to.y),
  };
}
