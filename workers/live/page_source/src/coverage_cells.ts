/** What a camera's map of readable faces says of its cells: pure, from the API's counts. */

import type { Coverage, CoverageCell } from "./api";

export type Level = "most" | "some" | "few";

const MOST = 0.9;
const SOME = 0.6;

export function readShare(cell: Pick<CoverageCell, "faces" | "read">): number {
  return cell.faces ? cell.read / cell.faces : 0;
}

/** As the colours of `mien coverage`. */
export function level(cell: Pick<CoverageCell, "faces" | "read">): Level {
  const share = readShare(cell);
  return share >= MOST ? "most" : share >= SOME ? "some" : "few";
}

/** Width by height; of the picture, or where it is not known, of the grid. */
export function aspect(found: Pick<Coverage, "columns" | "rows" | "picture">): number {
  const shape = found.picture ? found.picture.width_px / found.picture.height_px : found.columns / found.rows;
  return Math.min(4, Math.max(0.5, shape));
}

/** "left, top", "centre, middle": where in the picture a cell is, in thirds. */
export function place(cell: Pick<CoverageCell, "column" | "row">, grid: Pick<Coverage, "columns" | "rows">): string {
  const third = (at: number, of: number, names: readonly [string, string, string]): string => names[Math.min(2, Math.floor((3 * (at + 0.5)) / of))]!;
  return `${third(cell.column, grid.columns, ["left", "centre", "right"])}, ${third(cell.row, grid.rows, ["top", "middle", "bottom"])}`;
}

/** How many faces could not be read for each reason, the most frequent first. */
export function reasons(cells: readonly CoverageCell[]): [reason: string, faces: number][] {
  const sums = new Map<string, number>();
  for (const { unread } of cells) for (const [reason, count] of Object.entries(unread)) sums.set(reason, (sums.get(reason) ?? 0) + count);
  return [...sums].sort(([a, m], [b, n]) => n - m || a.localeCompare(b));
}
