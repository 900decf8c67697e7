import assert from "node:assert/strict";
import { test } from "node:test";
import { aspect, level, place, readShare, reasons } from "../../workers/live/page_source/src/coverage_cells";

const GRID = { columns: 16, rows: 9 };

test("how many faces of a cell can be read", () => {
  for (const [faces, read, kind] of [[10, 10, "most"], [10, 9, "most"], [100, 89, "some"], [10, 6, "some"], [100, 59, "few"], [1, 0, "few"], [0, 0, "few"]] as const) assert.equal(level({ faces, read }), kind, `${read} of ${faces}`);
  assert.equal(readShare({ faces: 0, read: 0 }), 0);
});

test("where a cell is, in thirds", () => {
  assert.equal(place({ column: 0, row: 0 }, GRID), "left, top");
  assert.equal(place({ column: 8, row: 4 }, GRID), "centre, middle");
  assert.equal(place({ column: 15, row: 8 }, GRID), "right, bottom");
});

test("the map has the shape of the picture, within reason", () => {
  assert.equal(aspect({ ...GRID, picture: { width_px: 640, height_px: 480 } }), 4 / 3);
  assert.equal(aspect({ ...GRID, picture: null }), 16 / 9);
  assert.equal(aspect({ ...GRID, picture: { width_px: 4000, height_px: 10 } }), 4);
});

test("reasons are summed, the most frequent first", () => {
  const cell = (unread: Record<string, number>) => ({ column: 0, row: 0, faces: 9, read: 0, unread });
  assert.deepEqual(reasons([cell({ blurred: 2, "small-face": 1 }), cell({ "small-face": 4 }), cell({})]), [["small-face", 5], ["blurred", 2]]);
});
