/** What the page knows, from a made-up API and stream: fetch and EventSource are all that it needs of a browser. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { CameraView } from "../../workers/live/page_source/src/api";
import { Face, type Listener, LiveState } from "../../workers/live/page_source/src/live_state";
import { event, iso, points } from "./made_up";

class Source {
  static readonly CLOSED = 2;
  static last: Source;
  readyState = 1;
  onopen: () => void = () => undefined;
  onerror: () => void = () => undefined;
  isClosed = false;
  #hear = new Map<string, (event: { data: string; lastEventId: string }) => void>();
  constructor(readonly address: string) {
    Source.last = this;
  }
  addEventListener(name: string, hear: (event: { data: string; lastEventId: string }) => void): void {
    this.#hear.set(name, hear);
  }
  close(): void {
    this.isClosed = true;
  }
  say(name: string, data: unknown): void {
    this.#hear.get(name)!({ data: JSON.stringify(data), lastEventId: "" });
  }
}

const view = (camera_id: string, changes: Partial<CameraView> = {}): CameraView => ({
  camera_id, groups: [], state: "ok", since: null, measures: {}, truth_age_s: 1, event_age_s: 2, subjects: 0, alerts_firing: 0, ...changes,
});
let cameras: CameraView[];
let alerts: unknown[];

beforeEach(() => {
  cameras = [view("hall-1")];
  alerts = [];
  Object.assign(globalThis, {
    window: { setInterval: () => 1, setTimeout: () => 1 },
    EventSource: Source,
    fetch: (path: string) => Promise.resolve(new Response(JSON.stringify({ items: path.includes("/cameras") ? cameras : alerts, next: null }))),
  });
});

async function started(listener: Listener = {}): Promise<LiveState> {
  const live = new LiveState();
  live.listeners.add(listener);
  await live.start();
  return live;
}

test("cameras are those of the API, and one that is gone is forgotten", async () => {
  const live = await started();
  assert.deepEqual([...live.cameras.keys()], ["hall-1"]);
  cameras = [view("hall-2")];
  let changed: () => void = () => undefined;
  const done = new Promise<void>((resolve) => (changed = resolve));
  live.listeners.add({ changed: () => live.cameras.has("hall-2") && changed() });
  Source.last.onopen(); // whoever comes back asks again
  await done;
  assert.deepEqual([live.connection, [...live.cameras.keys()]], ["open", ["hall-2"]]);
});

test("a face is drawn when both its event and its points have come", async () => {
  const live = await started();
  Source.last.say("points", points());
  const camera = live.cameras.get("hall-1")!;
  assert.deepEqual(live.faces(camera, performance.now()), []);
  Source.last.say("emotion", event());
  const [face] = live.faces(camera, performance.now());
  assert.equal(face!.event.emotion, "happiness");
  assert.deepEqual([...face!.drawn!.points], [1, 0, -2]);
  assert.deepEqual(live.faces(camera, performance.now() + 3001), []);
  assert.equal([...live.activity.of("hall-1", 0)].length, 1);
});

test("until the points of a newer event come, the older face stays", () => {
  const face = new Face("x", JSON.stringify(event()));
  face.takePoints(JSON.stringify(points()));
  const first = face.drawn;
  face.takeEvent(JSON.stringify(event({ event_id: "e2" })), 1);
  assert.equal(face.drawn, first);
  face.takePoints(JSON.stringify(points({ event_id: "e2", rotation: [-1, 0, 0, 0, 1, 0, 0, 0, 1] })));
  assert.equal(face.drawn!.event.event_id, "e2");
  assert.equal(face.drawn!.points[0], -1);
});

test("truth, alerts, verdicts and gaps are told as they come", async () => {
  const told: string[] = [];
  const live = await started({ camera: ({ state }) => told.push(state), alert: ({ state }) => told.push(state), verdict: ({ by }) => told.push(by), emotion: (id) => told.push(id) });
  Source.last.say("camera", { camera_id: "hall-1", at: iso(0), state: "frozen", since: iso(0), measures: { contrast: 2 } });
  Source.last.say("alert", { alert_id: "a", state: "firing", camera_id: "hall-1" });
  assert.deepEqual([...live.firing.keys()], ["a"]);
  Source.last.say("alert", { alert_id: "a", state: "resolved", camera_id: "hall-1" });
  Source.last.say("verdict", { alert_id: "a", verdict: "confirmed", by: "anna", at: iso(0), note: "" });
  Source.last.say("emotion", event());
  Source.last.say("gap", { skipped: 12 });
  assert.deepEqual(told, ["frozen", "firing", "resolved", "anna", "hall-1:x"]);
  assert.deepEqual([live.firing.size, live.skipped], [0, 12]);
  const { state, measures } = live.cameras.get("hall-1")!.view;
  assert.deepEqual([state, measures], ["frozen", { contrast: 2 }]);
});

test("a camera that nobody knew appears with its first face", async () => {
  const live = await started();
  cameras = [view("hall-1"), view("yard-1", { groups: ["yard"] })];
  Source.last.say("emotion", event({ camera_id: "yard-1", subject_id: "yard-1:y" }));
  assert.equal(live.cameras.get("yard-1")!.view.state, "unknown");
  await new Promise<void>((resolve) => live.listeners.add({ changed: () => live.cameras.get("yard-1")?.view.groups.length && resolve() }));
  assert.equal(live.faces(live.cameras.get("yard-1")!, performance.now()).length, 1); // its face is not lost
});

test("a broken stream is told, and one that is stopped is closed", async () => {
  const live = await started();
  Source.last.onopen();
  Source.last.onerror();
  assert.equal(live.connection, "reconnecting");
  live.stop();
  assert.ok(Source.last.isClosed);
});
