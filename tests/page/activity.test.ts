import assert from "node:assert/strict";
import { test } from "node:test";
import { Activity, type Bucket, activityWords, total } from "../../workers/live/page_source/src/activity";
import type { ActivityView, Emotion } from "../../workers/live/page_source/src/api";
import { AT_MS, event, iso } from "./made_up";

const seen = (after_ms: number, emotion: Emotion | null = "happiness"): string =>
  JSON.stringify(event({ captured_at: iso(AT_MS + after_ms), emotion, abstained: emotion ? null : "blurred" }));
const past = (at_ms: number, events: number, emotions: Partial<Record<Emotion, number>>, next: string | null = null): ActivityView => ({
  items: [{ camera_id: "hall-1", buckets: [{ at: iso(at_ms), events, emotions }] }], counted_since: iso(AT_MS - 600_000), next,
});
const told = (activity: Activity, from_ms = 0): [number, number][] => [...activity.of("hall-1", from_ms)].map((bucket: Bucket) => [bucket.at_ms - AT_MS, total(bucket)]);

test("events are counted by two seconds and emotion", () => {
  const activity = new Activity();
  for (const [after_ms, emotion] of [[0, "happiness"], [1999, "fear"], [2000, "fear"], [500, null]] as const) activity.take("hall-1", seen(after_ms, emotion));
  assert.deepEqual(told(activity), [[0, 3], [2000, 1]]);
  assert.equal(activityWords([...activity.of("hall-1", 0)].slice(0, 1)).split(": ")[1], "happiness 33 %, fear 33 %, no answer 33 %");
  assert.deepEqual([...activity.of("nobody", 0)], []);
  assert.equal(activityWords([]), "No faces");
});

test("what is no event counts nowhere", () => {
  const activity = new Activity();
  for (const text of ["", "{}", '{"captured_at":"yesterday"}']) activity.take("hall-1", text);
  assert.deepEqual(told(activity), []);
});

test("an hour is kept", () => {
  const activity = new Activity();
  for (const after_ms of [0, 3_600_000, 3_602_000]) activity.take("hall-1", seen(after_ms));
  assert.deepEqual(told(activity).map(([at_ms]) => at_ms), [3_600_000, 3_602_000]);
  assert.deepEqual(told(activity, AT_MS + 3_602_000).map(([at_ms]) => at_ms), [3_602_000]);
});

test("the server's past takes the place of what was counted here until then", () => {
  const activity = new Activity();
  for (const after_ms of [0, 4000, 8000]) activity.take("hall-1", seen(after_ms));
  assert.equal(activity.countedSince_ms, null);
  activity.takePast([past(AT_MS - 20_000, 7, { neutral: 4, fear: 2 })], 20, AT_MS + 5000);
  assert.deepEqual(told(activity), [[-20_000, 7], [8000, 1]]);
  assert.equal(activity.countedSince_ms, AT_MS - 600_000);
  const [bucket] = activity.of("hall-1", 0);
  assert.deepEqual([...bucket!.counts], [4, 0, 0, 0, 0, 0, 2, 0, 1]);

  activity.takePast([past(AT_MS, 9, { fear: 9 })], 20, AT_MS + 30_000); // asked again
  assert.deepEqual(told(activity), [[0, 9]]);
});
