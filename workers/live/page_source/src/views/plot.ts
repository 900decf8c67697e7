/** Probabilities over time, as lines on a canvas. */

import { EMOTIONS } from "../api";
import { cleared } from "../faces/draw_face";
import { colours } from "../theme";
import { clock } from "../words";
import type { Moment } from "./moments";

const SMOOTHING_S = 1; // the time constant of the lines
const GAP_S = 3; // where nothing came for so long, a line ends
const TICKS = 4;
const MARGIN = { left: 34, right: 6, top: 6, bottom: 18 };

export interface Smoothed {
  at_ms: number;
  shares: number[];
}

/** Exponential smoothing of each emotion's probability; it begins anew behind a gap. */
export function smoothed(moments: readonly Moment[]): Smoothed[] {
  const result: Smoothed[] = [];
  for (const { at_ms, event } of moments) {
    const before = result.at(-1);
    const passed_s = before ? (at_ms - before.at_ms) / 1000 : Infinity;
    const kept = before && passed_s < GAP_S ? Math.exp(-passed_s / SMOOTHING_S) : 0;
    result.push({ at_ms, shares: EMOTIONS.map((name, at) => kept * (before?.shares[at] ?? 0) + (1 - kept) * (event.probabilities[name] ?? 0)) });
  }
  return result;
}

/** Draws what lies between two times, and a line at `marked_ms`. */
export function plotProbabilities(canvas: HTMLCanvasElement, lines: readonly Smoothed[], from_ms: number, to_ms: number, marked_ms: number): void {
  const context = cleared(canvas);
  if (!context) return;
  const palette = colours();
  const width = canvas.clientWidth - MARGIN.left - MARGIN.right;
  const height = canvas.clientHeight - MARGIN.top - MARGIN.bottom;
  const x = (at_ms: number): number => MARGIN.left + ((at_ms - from_ms) / (to_ms - from_ms)) * width;
  const y = (share: number): number => MARGIN.top + (1 - share) * height;

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
      const before = shown[at - 1];
      const goesOn = before && point.at_ms - before.at_ms < GAP_S * 1000;
      context[goesOn ? "lineTo" : "moveTo"](x(point.at_ms), y(point.shares[emotion]!));
    });
    context.stroke();
  });
  context.strokeStyle = palette.text;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x(marked_ms), MARGIN.top);
  context.lineTo(x(marked_ms), MARGIN.top + height);
  context.stroke();
}
