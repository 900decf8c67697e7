/**
 * Where in a camera's picture faces can be read, as a map: green, plain cells where most can, hatched ones where
 * some can, crossed red ones where few can. So it can be read without telling colours apart, and each cell has its
 * figure where there is room.
 */

import type { Coverage } from "../api";
import { aspect, level, readShare } from "../coverage_cells";
import { cleared } from "../faces/draw_face";

export interface MapColours {
  most: string;
  some: string;
  few: string;
  text: string;
  line: string;
}

const STROKES_PX = 6; // between two lines of a hatch
const FIGURE_PX = 26; // so wide a cell has room for one

export function drawCoverage(canvas: HTMLCanvasElement, found: Coverage, colours: MapColours): void {
  canvas.style.aspectRatio = String(aspect(found));
  const pencil = cleared(canvas);
  if (!pencil) return;
  const wide = canvas.clientWidth / found.columns;
  const high = canvas.clientHeight / found.rows;
  pencil.strokeStyle = colours.line;
  pencil.lineWidth = 0.5;
  for (let row = 0; row < found.rows; row++) for (let column = 0; column < found.columns; column++) pencil.strokeRect(column * wide, row * high, wide, high);
  pencil.font = `600 ${Math.min(13, wide / 2.2)}px system-ui, sans-serif`;
  pencil.textAlign = "center";
  pencil.textBaseline = "middle";
  for (const cell of found.cells) {
    const [x, y] = [cell.column * wide, cell.row * high];
    const kind = level(cell);
    pencil.save();
    pencil.beginPath();
    pencil.rect(x + 1, y + 1, wide - 2, high - 2);
    pencil.clip();
    pencil.fillStyle = pencil.strokeStyle = colours[kind];
    pencil.globalAlpha = 0.25;
    pencil.fill();
    pencil.globalAlpha = 0.7;
    pencil.lineWidth = 1;
    if (kind !== "most") hatch(pencil, x, y, wide, high, kind === "few");
    pencil.restore();
    if (wide < FIGURE_PX) continue;
    pencil.fillStyle = colours.text;
    pencil.fillText(String(Math.floor(100 * readShare(cell))), x + wide / 2, y + high / 2);
  }
}

function hatch(pencil: CanvasRenderingContext2D, x: number, y: number, wide: number, high: number, isCrossed: boolean): void {
  pencil.beginPath();
  for (let at = -high; at < wide; at += STROKES_PX) {
    pencil.moveTo(x + at, y + high);
    pencil.lineTo(x + at + high, y);
    if (!isCrossed) continue;
    pencil.moveTo(x + at, y);
    pencil.lineTo(x + at + high, y + high);
  }
  pencil.stroke();
}
