import assert from "node:assert/strict";
import { test } from "node:test";
import { abstainedWords, age, baselineWords, capital, clock, emotionWords, percent, seenBy, stateWords } from "../../workers/live/page_source/src/words";
import { event } from "./made_up";

test("an age has the unit in which it can be read", () => {
  const ages: [number, string][] = [[0, "0.0 s"], [0.94, "0.9 s"], [1, "1 s"], [119, "119 s"], [120, "2 min"], [7199, "120 min"], [7200, "2 h"], [172_799, "48 h"], [172_800, "2 d"]];
  for (const [seconds, words] of ages) assert.equal(age(seconds), words, String(seconds));
});

test("an event is an emotion with its confidence, or why there is none", () => {
  assert.equal(emotionWords(event({ confidence: 0.916 })), "Happiness, 92 %");
  assert.equal(emotionWords(event({ emotion: null, abstained: "small-face" })), "No answer: the face is too small");
  assert.equal(emotionWords(event({ emotion: null, abstained: null })), "No answer: unknown why");
  assert.equal(abstainedWords("a reason of tomorrow"), "a reason of tomorrow");
});

test("a moment of another day has its day", () => {
  const noon = new Date(2026, 10, 29, 12, 0, 5).getTime();
  assert.equal(clock(noon, noon + 60_000), "12:00:05");
  assert.equal(clock(noon, noon + 86_400_000), "29 Nov 12:00:05");
});

test("baselines, states and shares in words", () => {
  assert.match(baselineWords({ baseline: "subject" }), /its own/);
  assert.match(baselineWords({ baseline: "population" }), /population/);
  assert.equal(stateWords("clock-off"), "camera's clock is off");
  assert.equal(capital(""), "");
  assert.equal(percent(0.005), "1 %");
});

test("who has seen an alert, each with the newest word", () => {
  const said = (by: string, verdict: "confirmed" | "rejected", note = "") => ({ alert_id: "a", verdict, by, at: "", note });
  assert.equal(seenBy([said("anna", "rejected", "a yawn"), said("ben", "confirmed"), said("anna", "confirmed")], [{ by: "carl", at: "" }, { by: "ben", at: "" }]), "anna (rejected: a yawn), ben (confirmed), carl");
});
