/** An alert's evidence, played again and again as a moving wireframe. */

import { type Alert, type History, ask } from "../api";
import { h, setAttribute, setText } from "../dom";
import { cleared, drawFace } from "../faces/draw_face";
import { setOf } from "../faces/landmark_set";
import { colours } from "../theme";
import { age, baselineWords, clock, emotionWords, percent } from "../words";
import { Moments } from "./moments";
import { type Context, subjectHash } from "./view";

const DRAW_MS = 100;
const PAUSE_MS = 800;

export class Evidence {
  readonly element = h("div", { class: "stack" });
  #moments = new Moments();
  #shown: Alert | null = null;
  #beganAt_ms = 0;
  #drawnAt_ms = -Infinity;
  readonly #canvas = h("canvas", { role: "img" });
  readonly #then = h("p", { class: "quiet" });

  constructor(readonly context: Context) {}

  async show(alert: Alert): Promise<void> {
    if (this.#shown?.alert_id === alert.alert_id && this.#shown.state === alert.state) return;
    this.#shown = alert;
    this.#moments = new Moments();
    this.#beganAt_ms = performance.now();
    setText(this.#then, "Loading the evidence …");
    setAttribute(this.#canvas, "aria-label", `The face of alert ${alert.rule}`);
    cleared(this.#canvas);
    const { evidence } = alert;
    this.element.replaceChildren(
      h("h2", {}, `${alert.rule}, ${alert.camera_id}`),
      this.#canvas,
      this.#then,
      h("p", {}, alert.summary),
      h("p", {}, evidence.text),
      h("p", { class: "quiet" }, `From ${clock(Date.parse(alert.started_at))} to ${clock(Date.parse(alert.at))} (${alert.state}); mean ${evidence.mean.toFixed(2)}, peak ${evidence.peak.toFixed(2)}, threshold ${alert.threshold}; ${baselineWords(evidence)}; camera: ${evidence.camera}.`),
      h("p", { class: "quiet" }, Object.entries(evidence.regions).map(([name, share]) => `${name} ${percent(share)}`).join(", ")),
      ...(alert.subject_id ? [alert.subject_id] : evidence.subjects).map((id) => h("a", { href: subjectHash(id, alert.started_at) }, `To the moment of ${id}`)),
    );
    if (!alert.subject_id) {
      setText(this.#then, "Several faces: their moments are linked below.");
      await ask(`/alerts/${alert.alert_id}`).catch(() => undefined); // as evidence does, it says who looks
      return;
    }
    try {
      const history = await ask<History>(`/alerts/${alert.alert_id}/evidence`);
      if (alert !== this.#shown) return;
      this.#moments.add(history.items, history.points);
      setText(this.#then, history.items.length ? "" : "Kafka has these events no more.");
      this.#beganAt_ms = performance.now();
    } catch (error) {
      setText(this.#then, error instanceof Error ? error.message : String(error));
    }
  }

  frame(now_ms: number): void {
    const all = this.#moments.all;
    const [first, last] = [all[0], all.at(-1)];
    if (!first || !last || now_ms - this.#drawnAt_ms < DRAW_MS) return;
    this.#drawnAt_ms = now_ms;
    const length_ms = last.at_ms - first.at_ms + PAUSE_MS;
    const shown = this.#moments.at(first.at_ms + ((now_ms - this.#beganAt_ms) % length_ms));
    const context = cleared(this.#canvas);
    if (!shown || !context) return;
    if (shown.points) drawFace(context, { x: 0, y: 0, size: this.#canvas.clientWidth }, setOf(this.context.landmarkSet, shown.event.model.landmark_set), shown.points, shown.event.explanation.attributions, colours());
    setText(this.#then, `${age((shown.at_ms - first.at_ms) / 1000)}: ${emotionWords(shown.event)}`);
  }
}
