import assert from "node:assert/strict";
import { test } from "node:test";
import { Moments } from "../../workers/live/page_source/src/views/moments";
import { AT_MS, event, iso, points } from "./made_up";

const at = (after_ms: number) => event({ event_id: `e${after_ms}`, captured_at: iso(AT_MS + after_ms) });

test("events stand in the order in which they were captured, each once", () => {
  const moments = new Moments();
  moments.add([at(2000), at(0)], []);
  moments.add([at(1000), at(2000)], []);
  assert.deepEqual(moments.all.map(({ event }) => event.event_id), ["e0", "e1000", "e2000"]);
});

test("a moment is the last one that is not later", () => {
  const moments = new Moments();
  assert.equal(moments.at(AT_MS), null);
  moments.add([at(0), at(1000)], []);
  for (const [after_ms, id] of [[-1, "e0"], [0, "e0"], [999, "e0"], [1000, "e1000"], [Infinity, "e1000"]] as const) assert.equal(moments.at(AT_MS + after_ms)?.event.event_id, id);
});

test("points come before or behind their event", () => {
  const moments = new Moments();
  moments.addPoints(points({ event_id: "e0" }));
  moments.add([at(0), at(1000)], []);
  assert.deepEqual(moments.all.map((one) => one.points && [...one.points]), [[1, 0, -2], null]);
  moments.addPoints(points({ event_id: "e1000" }));
  assert.deepEqual([...moments.all[1]!.points!], [1, 0, -2]);
});

test("of too many the oldest are forgotten", () => {
  const moments = new Moments();
  moments.add(Array.from({ length: 6001 }, (_, number) => at(number)), []);
  assert.deepEqual([moments.all.length, moments.all[0]!.event.event_id], [6000, "e1"]);
});
