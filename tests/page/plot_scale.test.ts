import assert from "node:assert/strict";
import { test } from "node:test";
import { EMOTIONS, type Emotion } from "../../workers/live/page_source/src/api";
import { MARGIN, goesOn, scale, smoothed } from "../../workers/live/page_source/src/views/plot_scale";
import { AT_MS, event } from "./made_up";

const moment = (after_ms: number, likely: Emotion) => ({ at_ms: AT_MS + after_ms, event: event({}, likely), points: null });
const happy = EMOTIONS.indexOf("happiness");

test("a time and a share have their place within the margins", () => {
  const { x, y } = scale(340, 224, 1000, 4000);
  assert.deepEqual([x(1000), x(2500), x(4000)], [MARGIN.left, MARGIN.left + 150, MARGIN.left + 300]);
  assert.deepEqual([y(1), y(0.5), y(0)], [MARGIN.top, MARGIN.top + 100, MARGIN.top + 200]);
});

test("probabilities are smoothed over a second, and sum to 1", () => {
  const lines = smoothed([moment(0, "neutral"), moment(1000, "happiness"), moment(2000, "happiness")]);
  assert.deepEqual(lines.map(({ shares }) => Number(shares[happy]!.toFixed(4))), [0, 0.6321, 0.8647]); // 1 − 1/e, 1 − 1/e²
  for (const { shares } of lines) assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-12);
  assert.deepEqual(smoothed([]), []);
});

test("behind a gap of three seconds a line begins anew", () => {
  const lines = smoothed([moment(0, "neutral"), moment(3000, "happiness")]);
  assert.equal(lines[1]!.shares[happy], 1);
  assert.deepEqual([goesOn(undefined, lines[0]!), goesOn(lines[0], lines[1]!), goesOn({ at_ms: 0 }, { at_ms: 2999 })], [false, false, true]);
});
