/** Where a plot's lines go: pure, from events and a size. */

import { EMOTIONS } from "../api";
import type { Moment } from "./moments";

export const MARGIN = { left: 34, right: 6, top: 6, bottom: 18 };
const SMOOTHING_S = 1; // the time constant of the lines
const GAP_S = 3; // where nothing came for so long, a line ends

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

/** Whether a line leads from one point to the next. */
export function goesOn(before: Pick<Smoothed, "at_ms"> | undefined, point: Pick<Smoothed, "at_ms">): boolean {
  return before !== undefined && point.at_ms - before.at_ms < GAP_S * 1000;
}

/** px of a time and of a share, within the margins. */
export function scale(width_px: number, height_px: number, from_ms: number, to_ms: number): { x(at_ms: number): number; y(share: number): number } {
  const width = width_px - MARGIN.left - MARGIN.right;
  const height = height_px - MARGIN.top - MARGIN.bottom;
  return {
    x: (at_ms) => MARGIN.left + ((at_ms - from_ms) / (to_ms - from_ms)) * width,
    y: (share) => MARGIN.top + (1 - share) * height,
  };
}
