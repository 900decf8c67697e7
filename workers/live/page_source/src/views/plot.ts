/** Probabilities over time, as lines on a canvas. */

import { EMOTIONS } from "../api";
import { cleared } from "../faces/draw_face";
import { colours } from "../theme";
import { clock } from "../words";
import { MARGIN, type Smoothed, goesOn, scale } from "./plot_scale";

const TICKS = 4;

/** Draws what lies between two times, and a line at `marked_ms`. */
export function plotProbabilities(canvas: HTMLCanvasElement, lines: readonly Smoothed[], from_ms: number, to_ms: number, marked_ms: number): void {
  const context = cleared(canvas);
  if (!context) return;
  const palette = colours();
  const { x, y } = scale(canvas.clientWidth, canvas.clientHeight, from_ms, to_ms);

  context.font = "11px system-ui, sans-serif";
  context.fillStyle = palette.text;
  context.strokeStyle = palette.line;
  context.lineWidth = 0.5;
  context.beginPath();
  for (const share of [0, 0.5, 1]) {
    context.fillText(`${share * 100} %`, 2, y(share) + 4);
    context.moveTo(x(from_ms), y(share));
    context.lineTo(x(to_ms), y(share));
  }
  for (let tick = 0; tick < TICKS; tick++) {
    const at_ms = from_ms + ((to_ms - from_ms) * (tick + 0.5)) / TICKS;
    context.textAlign = "center";
    context.fillText(clock(at_ms), x(at_ms), canvas.clientHeight - 4);
  }
  context.textAlign = "start";
  context.stroke();

  const shown = lines.filter((point) => point.at_ms >= from_ms && point.at_ms <= to_ms);
  EMOTIONS.forEach((_, emotion) => {
    context.strokeStyle = palette.emotions[emotion]!;
    context.lineWidth = 2;
    context.beginPath();
    shown.forEach((point, at) => {
      context[goesOn(shown[at - 1], point) ? "lineTo" : "moveTo"](x(point.at_ms), y(point.shares[emotion]!));
    });
    context.stroke();
  });
  context.strokeStyle = palette.text;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x(marked_ms), MARGIN.top);
  context.lineTo(x(marked_ms), y(0));
  context.stroke();
}
