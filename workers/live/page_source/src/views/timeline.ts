/** All cameras on one axis: who was seen, which alerts fired, and when a picture was not to be trusted. */

import { type ActivityView, type Alert, type CameraSpan, EMOTIONS, type ReviewedAlert, ask, askAll, askParts, serverNow_ms } from "../api";
import { drawActivity } from "./activity_lane";
import { choice, debounced, h, setText } from "../dom";
import { clock, stateWords } from "../words";
import { type Context, type View, cameraHash, readHash, writeParameters } from "./view";

const SPANS_MIN = ["5", "15", "60"];
const BUCKETS = 150; // of a lane
const ASK_AGAIN_MS = 30_000;
const DRAW_MS = 1000;
const TICKS = 4;
const ALERTS_MAX = 2000;

interface Lane {
  element: HTMLElement;
  track: HTMLElement;
  canvas: HTMLCanvasElement;
  marks: HTMLElement;
  line: HTMLElement;
}

export function timeline(context: Context): View {
  const { live } = context;
  const parameters = new URLSearchParams([...readHash().parameters].filter(([name]) => name === "minutes"));
  let minutes = Number(parameters.get("minutes")) || Number(SPANS_MIN[0]);
  let alerts: Alert[] = [];
  let spans: CameraSpan[] = [];
  let drawnAt_ms = -Infinity;
  let from_ms = 0;
  let to_ms = 1;
  const lanes = new Map<string, Lane>();
  const axis = h("div", { class: "axis" });
  const rows = h("div", {});
  const pointed = h("p", { class: "quiet", role: "status" });
  const counted = h("p", { class: "quiet" });
  const where = (at_ms: number): string => `${(100 * Math.min(1, Math.max(0, (at_ms - from_ms) / (to_ms - from_ms)))).toFixed(3)}%`;

  async function load(): Promise<void> {
    const since = new Date(serverNow_ms() - minutes * 60_000).toISOString();
    try {
      const [found, truths] = await Promise.all([
        askAll<ReviewedAlert>(`/alerts?since=${since}&limit=500`, ALERTS_MAX),
        ask<{ items: CameraSpan[] }>(`/camera-states?since=${since}`),
      ]);
      alerts = found.map(({ alert }) => alert);
      spans = truths.items;
      drawnAt_ms = -Infinity;
    } catch (error) {
      setText(pointed, error instanceof Error ? error.message : String(error));
    }
  }
  async function loadActivity(): Promise<void> {
    const now_ms = serverNow_ms();
    const bucket_s = 2 * Math.ceil((minutes * 60) / BUCKETS / 2);
    const since = new Date(Math.floor((now_ms - minutes * 60_000) / 1000 / bucket_s) * bucket_s * 1000).toISOString();
    try {
      live.activity.takePast(await askParts<ActivityView>(`/camera-activity?since=${since}&bucket_s=${bucket_s}&limit=100`), bucket_s, now_ms);
      drawnAt_ms = -Infinity;
    } catch {
      // The server is away: what is known stays, and it is asked again.
    }
  }
  const reload = debounced(500, () => void load());

  function lane(id: string): Lane {
    let found = lanes.get(id);
    if (!found) {
      const canvas = h("canvas", { role: "img" });
      const line = h("div", { class: "now", hidden: true });
      const marks = h("div", {});
      const track = h("div", { class: "track" }, canvas, marks, line);
      found = { canvas, line, marks, track, element: h("section", { class: "lane", "aria-label": `Camera ${id}`, "data-camera": id }, h("h3", {}, h("a", { href: cameraHash(id) }, id)), track) };
      lanes.set(id, found);
      const behind = [...lanes.keys()].filter((other) => other.localeCompare(id, "en", { numeric: true }) > 0).sort((a, b) => a.localeCompare(b, "en", { numeric: true }))[0];
      rows.insertBefore(found.element, behind ? lanes.get(behind)!.element : null);
    }
    return found;
  }

  function draw(): void {
    to_ms = serverNow_ms();
    from_ms = to_ms - minutes * 60_000;
    for (const id of live.cameras.keys()) {
      const { canvas, marks, track } = lane(id);
      drawActivity(canvas, [...live.activity.of(id, from_ms)], from_ms, to_ms);
      const focused = track.contains(document.activeElement) ? (document.activeElement as HTMLElement).dataset["id"] : undefined;
      marks.replaceChildren(...spans.filter((span) => span.camera_id === id && span.state !== "ok").map(truth), ...alerts.filter((alert) => alert.camera_id === id).map(mark));
      if (focused) (marks.querySelector(`[data-id="${CSS.escape(focused)}"]`) as HTMLElement | null)?.focus();
    }
    for (const [id, { element }] of lanes) {
      if (live.cameras.has(id)) continue;
      element.remove();
      lanes.delete(id);
    }
    const since_ms = live.activity.countedSince_ms;
    setText(counted, since_ms !== null && since_ms > from_ms + 1000 ? `Faces are counted from ${clock(since_ms)} on.` : "");
    axis.replaceChildren(...Array.from({ length: TICKS }, (_, tick) => {
      const at_ms = from_ms + ((to_ms - from_ms) * (tick + 0.5)) / TICKS;
      return placed(h("span", {}, clock(at_ms)), where(at_ms));
    }));
  }
  function truth(span: CameraSpan): HTMLElement {
    const [from, until] = [Date.parse(span.since), span.until ? Date.parse(span.until) : to_ms];
    const words = `${stateWords(span.state)} from ${clock(from)}${span.until ? ` to ${clock(until)}` : ""}`;
    return placed(h("div", { class: "truth", "data-state": span.state, title: words, role: "img", "aria-label": words }, stateWords(span.state)), where(from), where(until));
  }
  function mark(alert: Alert): HTMLElement {
    const [from, until] = [Date.parse(alert.started_at), alert.state === "firing" ? to_ms : Date.parse(alert.at)];
    const words = `${alert.rule}, ${alert.severity}, ${alert.state}, ${clock(from)}: ${alert.summary}`;
    return placed(h("a", { class: "mark", href: `#/review/${alert.alert_id}`, "data-id": alert.alert_id, "data-severity": alert.severity, title: words, "aria-label": words }), where(from), where(until));
  }
  function point(event: PointerEvent): void {
    const track = (event.target as HTMLElement).closest(".track");
    if (!track) return;
    const box = track.getBoundingClientRect();
    const at_ms = from_ms + ((event.clientX - box.left) / box.width) * (to_ms - from_ms);
    for (const { line } of lanes.values()) {
      line.hidden = false;
      placed(line, where(at_ms));
    }
    setText(pointed, clock(at_ms));
  }

  const listener = { alert: reload, camera: reload };
  live.listeners.add(listener);
  writeParameters(parameters);
  void load();
  void loadActivity();
  const timer = window.setInterval(() => void loadActivity(), ASK_AGAIN_MS);

  return {
    title: "Timeline",
    element: h("div", {},
      h("div", { class: "controls", role: "group", "aria-label": "Axis" },
        choice("Last", SPANS_MIN.map((n) => [n, `${n} min`] as const), String(minutes), (value) => {
          minutes = Number(value);
          parameters.set("minutes", value);
          writeParameters(parameters);
          void load();
          void loadActivity();
        }),
        pointed,
        counted,
        h("p", { class: "quiet key" }, "Faces: ", ...EMOTIONS.map((name) => h("span", {}, h("i", { class: `ink-${name}` }, "■ "), name)))),
      h("div", { onpointermove: point }, rows, h("div", { class: "lane" }, h("span"), axis))),
    frame(now_ms) {
      if (now_ms - drawnAt_ms < DRAW_MS) return;
      drawnAt_ms = now_ms;
      draw();
    },
    close() {
      clearInterval(timer);
      live.listeners.delete(listener);
    },
  };
}

/** From one place to another of its parent, in per cent; without an end it has its own width. */
function placed<T extends HTMLElement>(element: T, left: string, right?: string): T {
  element.style.left = left;
  if (right !== undefined) element.style.width = `calc(${right} - ${left})`;
  return element;
}
