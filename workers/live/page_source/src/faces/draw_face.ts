/**
 * Draws a face from its points: grey lines, and over them what spoke towards the emotion (red, thick, filled
 * points) and against it (blue, thin, hollow points). So it can be read without telling red from blue.
 */

import type { Palette } from "../theme";
import type { LandmarkSet } from "./landmark_set";

const LEVELS = 4; // lines of about the same weight are drawn at once
const HALF_SIZE = 1.14; // of what is shown, in inter-ocular distances
const FAINT = 0.12; // of the strongest: what is weaker stays grey
const LEAST_STRONGEST = 0.25; // in logits: a face at rest is not coloured by noise

export interface Box {
  x: number;
  y: number;
  size: number;
}

/** The box in which a face is as large as it is at some place: between the eyes, and so far apart. */
export function boxAround(x: number, y: number, interOcular: number): Box {
  const size = 2 * HALF_SIZE * interOcular;
  return { x: x - size / 2, y: y - size / 2, size };
}

/** `attributions` in the set's order, or null for grey alone. */
export function drawFace(
  context: CanvasRenderingContext2D,
  box: Box,
  set: LandmarkSet,
  points: Float32Array,
  attributions: readonly number[] | null,
  palette: Palette,
  ghost = false,
): void {
  const count = points.length / 3;
  const scale = box.size / 2 / HALF_SIZE;
  const x = (at: number): number => box.x + box.size / 2 + points[3 * at]! * scale;
  const y = (at: number): number => box.y + box.size / 2 + points[3 * at + 1]! * scale;
  const unit = Math.max(0.6, box.size / 260);

  context.lineCap = "round";
  context.setLineDash(ghost ? [2 * unit, 3 * unit] : []);
  context.strokeStyle = ghost ? palette.ghost : palette.line;
  context.lineWidth = unit;
  context.beginPath();
  for (const [from, to] of set.edges) {
    if (from >= count || to >= count) continue;
    context.moveTo(x(from), y(from));
    context.lineTo(x(to), y(to));
  }
  context.stroke();
  context.setLineDash([]);
  if (!attributions || attributions.length !== count) return;

  const strongest = attributions.reduce((most, value) => Math.max(most, Math.abs(value)), LEAST_STRONGEST);
  const level = (value: number): number => {
    const share = Math.abs(value) / strongest;
    return share < FAINT ? 0 : Math.ceil(Math.min(1, share) * LEVELS);
  };
  for (const towards of [false, true]) {
    context.strokeStyle = context.fillStyle = towards ? palette.towards : palette.against;
    for (let weight = 1; weight <= LEVELS; weight++) {
      const chosen = (value: number): boolean => value > 0 === towards && level(value) === weight;
      context.globalAlpha = 0.35 + (0.65 * weight) / LEVELS;
      context.lineWidth = unit * (towards ? 1 + (2.4 * weight) / LEVELS : 1 + (0.8 * weight) / LEVELS);
      context.beginPath();
      for (const [from, to] of set.edges) {
        if (from >= count || to >= count || !chosen((attributions[from]! + attributions[to]!) / 2)) continue;
        context.moveTo(x(from), y(from));
        context.lineTo(x(to), y(to));
      }
      context.stroke();
      context.beginPath();
      const radius = unit * (1 + (2.6 * weight) / LEVELS);
      for (let at = 0; at < count; at++) {
        if (!chosen(attributions[at]!)) continue;
        context.moveTo(x(at) + radius, y(at));
        context.arc(x(at), y(at), radius, 0, 2 * Math.PI);
      }
      context.lineWidth = unit;
      if (towards) context.fill();
      else context.stroke();
    }
  }
  context.globalAlpha = 1;
}

/** A canvas as sharp as the screen is; its context, scaled to CSS pixels and empty. */
export function cleared(canvas: HTMLCanvasElement): CanvasRenderingContext2D | null {
  const context = canvas.getContext("2d");
  if (!context) return null;
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  return context;
}
