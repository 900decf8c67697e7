import assert from "node:assert/strict";
import { test } from "node:test";
import { type Known, isIdle, liveWords, tileState } from "../../workers/live/page_source/src/tile_state";

const LIVE: Known = { state: "ok", truthAge_s: 10, eventAge_s: 0.5, late_s: 0.2, away_s: null };

const STATES: [string, Partial<Known>, string][] = [
  ["all is well", {}, "live"],
  ["nothing but faces is known", { state: "unknown", truthAge_s: null }, "live"],
  ["nothing was heard for longer than a heartbeat", { truthAge_s: 46, eventAge_s: 46 }, "stale"],
  ["nothing was ever heard", { state: "unknown", truthAge_s: null, eventAge_s: null }, "stale"],
  ["faces come, truth is late", { truthAge_s: 89 }, "live"],
  ["truth has not come for three heartbeats", { truthAge_s: 91 }, "lost"],
  ["pictures come late", { late_s: 5.1 }, "stale"],
  ["the page has no connection", { away_s: 5.1 }, "stale"],
  ["it says what is wrong", { state: "frozen" }, "frozen"],
  ["lost stands above what was wrong before", { state: "dark", truthAge_s: 91 }, "lost"],
  ["what is wrong stands above stale", { state: "covered", away_s: 60 }, "covered"],
];
for (const [when, changes, state] of STATES) {
  test(`${state}: ${when}`, () => assert.equal(tileState({ ...LIVE, ...changes }), state));
}

test("idle is without a face for ten seconds", () => {
  assert.equal(isIdle({ ...LIVE, eventAge_s: 10 }), false);
  assert.equal(isIdle({ ...LIVE, eventAge_s: 10.1 }), true);
  assert.equal(isIdle({ ...LIVE, eventAge_s: null }), true);
});

test("whether it is live, in words", () => {
  assert.equal(liveWords(LIVE), "Live: last face 0.5 s ago; picture true, told 10 s ago");
  assert.equal(liveWords({ ...LIVE, late_s: 8, away_s: 7 }), "Not live: last face 0.5 s ago; pictures come 8 s late; picture true, told 10 s ago; no connection for 7 s");
  assert.equal(liveWords({ ...LIVE, state: "frozen", eventAge_s: null, truthAge_s: null }), "Picture frozen: no face seen yet; picture frozen");
});
