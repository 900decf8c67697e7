/** One camera: what it sees now, what is true of it, and where in its picture faces can be read. */

import { type Coverage, Refused, ask, serverNow_ms } from "../api";
import { place, readShare, reasons } from "../coverage_cells";
import { choice, h, setText } from "../dom";
import { colours, inks } from "../theme";
import { abstainedWords, age, capital, clock, percent, stateWords } from "../words";
import { drawCoverage } from "./coverage_map";
import { Tile } from "./tile";
import type { Context, View } from "./view";

const ASK_MS = 30_000;
const WRITE_MS = 1000;
const DAYS: readonly (readonly [string, string])[] = [["1", "today"], ["7", "7 days"], ["", "all that is kept"]];
const LEVEL_WORDS = { most: "90 or more", some: "60 or more", few: "fewer" } as const;

export function camera(context: Context, [cameraId = ""]: string[]): View {
  const { live } = context;
  const tile = new Tile(context, cameraId);
  let days = "";
  let found: Coverage | null = null;
  let loading = 0;
  let writtenAt_ms = -Infinity;

  const none = h("p", { class: "empty" }, "There is no such camera, or it is not yours to see.");
  const state = h("p", { class: "says" });
  const since = h("p", { class: "quiet" });
  const groups = h("p", { class: "quiet" });
  const measures = h("tbody");
  const headline = h("p", { role: "status" });
  const canvas = h("canvas", { class: "map", role: "img" });
  const advice = h("ol", { class: "advice", "aria-label": "What would help" });
  const why = h("tbody");
  const cells = h("tbody");
  const body = h("div", { class: "stack" });
  const details = h("div", { class: "stack" });

  async function load(): Promise<void> {
    const mine = ++loading;
    try {
      const answer = await ask<Coverage>(`/cameras/${encodeURIComponent(cameraId)}/coverage${days && `?days=${days}`}`);
      if (mine !== loading) return;
      found = answer;
      showCoverage(answer);
    } catch (error) {
      if (mine !== loading) return;
      found = null;
      setText(headline, error instanceof Refused && error.status !== 404 ? error.message : "No face of this camera has been counted.");
      details.hidden = true;
    }
  }
  function showCoverage(now: Coverage): void {
    const when = now.days === 1 ? "today" : `the last ${now.days} days`;
    setText(headline, now.faces ? `${now.read} of ${now.faces} faces could be read (${percent(readShare(now))}), ${when}.` : `No face has been counted, ${when}.`);
    details.hidden = !now.faces;
    canvas.setAttribute("aria-label", `A map of ${now.columns} by ${now.rows} cells: what share of the faces in each could be read, in per cent. The table below has its figures.`);
    advice.replaceChildren(...(now.problems.length ? now.problems.map((one) => h("li", {}, one.advice)) : [h("li", {}, "Nowhere are many faces lost.")]));
    why.replaceChildren(...reasons(now.cells).map(([reason, faces]) => h("tr", {}, h("th", { scope: "row" }, capital(abstainedWords(reason))), h("td", { class: "number" }, String(faces)), h("td", { class: "number" }, percent(faces / now.faces)))));
    cells.replaceChildren(...now.cells.map((cell) => h("tr", {},
      h("th", { scope: "row" }, `${cell.column + 1}, ${cell.row + 1}`), h("td", {}, place(cell, now)),
      h("td", { class: "number" }, String(cell.faces)), h("td", { class: "number" }, percent(readShare(cell))), h("td", {}, reasons([cell])[0] ? abstainedWords(reasons([cell])[0]![0]) : ""))));
    drawMap();
  }
  function drawMap(): void {
    if (found?.faces) drawCoverage(canvas, found, { ...inks("most", "some", "few"), text: colours().text, line: colours().line });
  }
  function write(): void {
    const known = live.cameras.get(cameraId);
    none.hidden = known !== undefined;
    body.hidden = known === undefined;
    if (!known) return;
    const { view } = known;
    const since_ms = Date.parse(view.since ?? "");
    setText(state, capital(stateWords(view.state)));
    setText(since, Number.isNaN(since_ms) ? "It has told nothing of its picture." : `Since ${clock(since_ms)}, for ${age(Math.max(0, (serverNow_ms() - since_ms) / 1000))}.`);
    setText(groups, view.groups.length ? `In ${view.groups.join(", ")}.` : "In no group.");
    const rows = Object.entries(view.measures).sort(([a], [b]) => a.localeCompare(b));
    const text = JSON.stringify(rows);
    if (measures.dataset["of"] === text) return;
    measures.dataset["of"] = text;
    measures.replaceChildren(...rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, capital(name.replace(/_s$/, " (s)").replaceAll("_", " "))), h("td", { class: "number" }, figure(value)))));
  }

  const table = (caption: string, headings: readonly string[], rows: HTMLElement, numbers: readonly number[]): HTMLElement =>
    h("table", {}, h("caption", { class: "hidden" }, caption), h("thead", {}, h("tr", {}, ...headings.map((text, at) => h("th", { scope: "col", class: numbers.includes(at) ? "number" : "" }, text)))), rows);
  details.append(
    canvas,
    h("p", { class: "quiet key" }, "Could be read, in per cent: ", ...(["most", "some", "few"] as const).map((kind) => h("span", {}, h("i", { class: `swatch swatch-${kind}` }), LEVEL_WORDS[kind]))),
    advice,
    table("Why faces could not be read", ["Why not", "Faces", "Of all"], why, [1, 2]),
    h("details", {}, h("summary", {}, "The map as a table"), table("Where faces could be read", ["Column, row", "Where", "Faces", "Read", "Mostly lost, as"], cells, [2, 3])),
  );
  details.hidden = true;
  body.append(
    h("div", { class: "subject" },
      tile.element,
      h("section", { class: "card stack", "aria-label": "What is true of it" }, h("h2", {}, "What is true of it"), state, since, groups, table("What was measured", ["Measure", "Value"], measures, [1]))),
    h("section", { class: "card stack", "aria-label": "Where faces can be read" },
      h("div", { class: "row" }, h("h2", {}, "Where faces can be read"), choice("Counted in", DAYS, days, (value) => { days = value; void load(); })),
      headline, details),
  );
  const sized = new ResizeObserver(() => { tile.redraw(); drawMap(); });
  sized.observe(body);
  const timer = window.setInterval(() => void load(), ASK_MS);
  write();
  if (live.cameras.has(cameraId)) void load();
  else setText(headline, "");

  return {
    title: `Camera ${cameraId}`,
    element: h("div", {}, none, body),
    frame(now_ms) {
      const known = live.cameras.get(cameraId);
      if (known) {
        tile.draw(known, now_ms);
        tile.write(known, now_ms);
      }
      if (now_ms - writtenAt_ms < WRITE_MS) return;
      writtenAt_ms = now_ms;
      write();
      if (known && !loading) void load();
    },
    close() {
      loading++;
      clearInterval(timer);
      sized.disconnect();
    },
  };
}

/** Three digits are enough to judge by. */
function figure(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
