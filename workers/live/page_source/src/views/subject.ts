/** One subject: what it shows, why, and what it showed before. */

import { EMOTIONS, type EmotionEvent, type FacePoints, type SubjectView, ask, serverNow_ms } from "../api";
import { choice, h, setAttribute, setText } from "../dom";
import { cleared, drawFace } from "../faces/draw_face";
import { decodePoints, setOf } from "../faces/landmark_set";
import { colours } from "../theme";
import { age, baselineWords, capital, clock, emotionWords, percent } from "../words";
import { type Moment, Moments, loadMoments } from "./moments";
import { pictureCard } from "./picture";
import { plotProbabilities } from "./plot";
import { smoothed } from "./plot_scale";
import type { Context, View } from "./view";

const DRAW_MS = 100;
const ASK_MS = 2000;
const SHOWN_MS = 60_000; // of the plot
const AROUND_MS = 30_000; // loaded behind a moment that was asked for
const POINTS_LISTED = 8;

export function subject(context: Context, [subjectId = ""]: string[], parameters: URLSearchParams): View {
  const { live, landmarkSet } = context;
  const moments = new Moments();
  const asked_ms = Date.parse(parameters.get("at") ?? "");
  let now: SubjectView | null = null;
  let neutral: Float32Array | null = null;
  let at_ms: number | null = Number.isNaN(asked_ms) ? null : asked_ms; // null: live
  let back_ms = SHOWN_MS;
  let isPlaying = false;
  let isOpen = true;
  let loading = 0;
  let isDirty = true;
  let drawnAt_ms = -Infinity;
  let playedAt_ms = 0;
  let shown: Moment | null = null;

  const canvas = h("canvas", { class: "face-canvas", role: "img" });
  const picture = pictureCard(context);
  const plot = h("canvas", { class: "plot", role: "img", "aria-label": "Probabilities of the emotions over the last minute, smoothed over a second" });
  const says = h("p", { class: "says" });
  const sentence = h("p", { class: "sentence" });
  const compared = h("p", { class: "quiet" });
  const about = h("p", { class: "quiet" });
  const moment = h("p", { class: "quiet", role: "status" });
  const regions = h("tbody");
  const points = h("tbody");
  const shares = h("div", { class: "key" });
  const slider = h("input", { type: "range", min: 0, max: 1000, value: 1000, "aria-label": "Moment", oninput: () => scrub(Number(slider.value) / 1000) });
  const play = h("button", { type: "button", onclick: () => setPlaying(!isPlaying) }, "Play");
  const toLive = h("button", { type: "button", onclick: () => goLive() }, "Live");

  const range = (): [number, number] => {
    const end = at_ms !== null && asked_ms ? Math.max(asked_ms + AROUND_MS, at_ms) : serverNow_ms();
    return [Math.min(end - back_ms, at_ms ?? Infinity), end];
  };

  function scrub(share: number): void {
    const [from, to] = range();
    at_ms = from + share * (to - from);
    if (share >= 1 && !asked_ms) at_ms = null;
    isDirty = true;
  }
  function setPlaying(on: boolean): void {
    isPlaying = on;
    playedAt_ms = performance.now();
    at_ms ??= range()[0];
    setText(play, on ? "Pause" : "Play");
  }
  function goLive(): void {
    if (asked_ms) location.hash = `#/subject/${encodeURIComponent(subjectId)}`;
    at_ms = null;
    setPlaying(false);
    at_ms = null;
    isDirty = true;
  }
  async function load(): Promise<void> {
    const mine = ++loading;
    const [from, to] = range();
    try {
      await loadMoments(subjectId, from, to, (history) => { moments.add(history.items, history.points); isDirty = true; }, () => isOpen && mine === loading);
      if (!moments.all.length) setText(moment, "Kafka holds nothing of this subject and time.");
    } catch (error) {
      setText(moment, error instanceof Error ? error.message : String(error));
    }
  }
  async function askNow(): Promise<void> {
    try {
      now = await ask<SubjectView>(`/subjects/${encodeURIComponent(subjectId)}`);
      neutral = now.neutral && now.neutral.landmark_set === landmarkSet.id ? decodePoints(now.neutral.points) : null;
      setText(about, now.neutral
        ? `Its own neutral face is known from ${age(now.neutral.weight_s)} of a calm face, and drawn below in dashes. ${now.subject.events} events, ${now.subject.abstained} without an answer.`
        : `Its own neutral face is not known yet. ${now.subject.events} events, ${now.subject.abstained} without an answer.`);
    } catch (error) {
      setText(about, `Not in view now. ${error instanceof Error ? error.message : ""}`);
    }
    isDirty = true;
  }

  function draw(now_ms: number): void {
    drawnAt_ms = now_ms;
    isDirty = false;
    if (isPlaying && at_ms !== null) {
      at_ms += now_ms - playedAt_ms;
      playedAt_ms = now_ms;
      if (at_ms > (moments.all.at(-1)?.at_ms ?? 0)) setPlaying(false);
    }
    const [from, to] = range();
    if (document.activeElement !== slider || isPlaying) slider.value = String(at_ms === null ? 1000 : Math.round(((at_ms - from) / (to - from)) * 1000));
    shown = moments.at(at_ms ?? Infinity);
    setAttribute(toLive, "aria-pressed", at_ms === null ? "true" : "false");
    if (!shown) return;
    const { event } = shown;
    setText(says, emotionWords(event));
    setText(sentence, event.explanation.text);
    setText(compared, `${capital(event.explanation.target)}: score ${event.explanation.score_change.toFixed(2)} ${baselineWords(event.explanation)}.`);
    setText(moment, `${at_ms === null ? "Now" : "Then"}: ${clock(shown.at_ms)}, ${age(Math.max(0, (serverNow_ms() - shown.at_ms) / 1000))} ago`);
    setAttribute(slider, "aria-valuetext", clock(shown.at_ms));
    drawThe(event, shown.points);
    list(event);
    const end = Math.max(at_ms === null ? to : shown.at_ms + SHOWN_MS / 6, from + 1);
    plotProbabilities(plot, smoothed(moments.all.filter((one) => one.at_ms > end - SHOWN_MS - 5000 && one.at_ms <= end)), end - SHOWN_MS, end, shown.at_ms);
    shares.replaceChildren(...EMOTIONS.map((name) => h("span", {}, h("i", { class: `ink-${name}` }, "▬ "), `${name} ${percent(event.probabilities[name] ?? 0)}`)));
  }
  function drawThe(event: EmotionEvent, face: Float32Array | null): void {
    const pencil = cleared(canvas);
    if (!pencil) return;
    const box = { x: 0, y: 0, size: canvas.clientWidth };
    if (neutral) drawFace(pencil, box, landmarkSet, neutral, null, colours(), true);
    if (face) drawFace(pencil, box, setOf(landmarkSet, event.model.landmark_set), face, event.explanation.attributions, colours());
    setAttribute(canvas, "aria-label", `The face${face ? "" : ", whose points are gone"}: ${emotionWords(event)}. ${event.explanation.text}`);
  }
  function list(event: EmotionEvent): void {
    const { explanation } = event;
    const rows = Object.entries(explanation.regions).sort(([, a], [, b]) => b - a);
    regions.replaceChildren(...rows.map(([name, share]) => h("tr", {}, h("td", {}, name), h("td", { class: "number" }, percent(share), h("meter", { value: share, "aria-label": `Share of ${name}` })))));
    points.replaceChildren(...explanation.landmarks.slice(0, POINTS_LISTED).map((one) => h("tr", {},
      h("td", {}, `${one.index}`), h("td", {}, one.region),
      h("td", { class: "number" }, h("span", { class: one.attribution > 0 ? "ink-towards" : "ink-against" }, `${one.attribution > 0 ? "+" : "−"}${Math.abs(one.attribution).toFixed(3)}`)))));
  }

  const table = (caption: string, headings: string[], body: HTMLElement): HTMLElement =>
    h("section", { class: "card", "aria-label": caption }, h("h2", {}, caption), h("table", {}, h("thead", {}, h("tr", {}, ...headings.map((text, at) => h("th", { scope: "col", class: at === headings.length - 1 ? "number" : "" }, text)))), body));
  const listener = {
    emotion: (id: string, text: string) => {
      if (id !== subjectId) return;
      moments.add([JSON.parse(text) as EmotionEvent], []);
      isDirty = true;
    },
    points: (id: string, text: string) => {
      if (id === subjectId) moments.addPoints(JSON.parse(text) as FacePoints);
    },
  };
  live.listeners.add(listener);
  void load();
  void askNow();
  const timer = window.setInterval(() => void askNow(), ASK_MS);

  return {
    title: `Subject ${subjectId}`,
    element: h("div", { class: "stack" },
      h("div", { class: "row" }, h("h2", {}, `Subject ${subjectId}`), moment),
      h("div", { class: "subject" },
        h("div", { class: "stack" },
          h("div", { class: "card" }, canvas, h("p", { class: "quiet" }, h("i", { class: "ink-towards" }, "● towards"), " ", h("i", { class: "ink-against" }, "○ against"), neutralKey())),
          picture?.element),
        h("div", { class: "stack" },
          h("section", { class: "card stack", "aria-label": "What it shows, and why" }, says, sentence, compared, about),
          h("section", { class: "card stack", "aria-label": "Over time" }, plot, shares,
            h("div", { class: "row", role: "group", "aria-label": "Time" },
              choice("Back", [["60000", "1 min"], ["300000", "5 min"], ["600000", "10 min"]], String(back_ms), (value) => { back_ms = Number(value); void load(); isDirty = true; }),
              slider, play, toLive)),
          h("div", { class: "pair" }, table("Regions", ["Region", "Share"], regions), table("Strongest points", ["Point", "Where", "Attribution"], points))))),
    frame(now_ms) {
      if (now_ms - drawnAt_ms >= DRAW_MS && (isDirty || isPlaying)) draw(now_ms);
      picture?.frame(shown?.event.camera_id ?? now?.subject.camera_id ?? "", at_ms === null, now_ms);
    },
    key(event) {
      if (event.key === " " && !/^(BUTTON|INPUT)$/.test((event.target as HTMLElement).tagName)) {
        event.preventDefault();
        setPlaying(!isPlaying);
      } else if (event.key === "l") goLive();
    },
    close() {
      isOpen = false;
      clearInterval(timer);
      live.listeners.delete(listener);
    },
  };
}

function neutralKey(): HTMLElement {
  return h("i", { class: "ink-ghost" }, " ┄ its own neutral face");
}
