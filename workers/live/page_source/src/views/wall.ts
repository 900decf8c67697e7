/** The wall: all cameras, in groups. */

import { choice, h, setAttribute } from "../dom";
import { pictureControls } from "./picture";
import { Tile } from "./tile";
import { type Context, type View, readHash, writeParameters } from "./view";

const KEY = "mien-wall";
const CHOICES = ["columns", "size", "group", "idle"] as const;
const ROUND_MS = 30; // between two rounds of drawing: each costs the browser something for every canvas there is
const SLOW_MS = 60; // then fewer tiles are drawn in a round, in turn …
const ALL_MS = 1000; // … but so many that all have their turn in this time: a busy machine is slow without drawing, too
const NO_GROUP = "~"; // sorts behind all names, and is none

export function wall(context: Context): View {
  const { live, me } = context;
  const layout = readLayout();
  const tiles = new Map<string, Tile>();
  const byElement = new WeakMap<Element, Tile>();
  const groups = new Map<string, { section: HTMLElement; grid: HTMLElement }>();
  const sections = h("div", { class: "groups" });
  const empty = h("p", { class: "empty" }, "No camera has told anything yet.");
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const tile = byElement.get(entry.target);
      if (tile) tile.isVisible = entry.isIntersecting;
    }
  });
  const sized = new ResizeObserver(() => redraw());

  function redraw(): void {
    for (const tile of tiles.values()) tile.redraw();
  }

  function set(name: (typeof CHOICES)[number], value: string): void {
    if (value) layout.set(name, value);
    else layout.delete(name);
    localStorage.setItem(KEY, layout.toString());
    writeParameters(layout);
    arrange();
  }

  function groupOf(name: string): HTMLElement {
    let group = groups.get(name);
    if (!group) {
      const grid = h("div", { class: "grid" });
      const title = name !== NO_GROUP ? name : me.all_groups.length ? "Other cameras" : "Cameras";
      group = { grid, section: h("section", { "aria-label": title }, h("h2", {}, title), grid) };
      const behind = [...groups.keys()].filter((other) => other > name).sort()[0];
      sections.insertBefore(group.section, (behind && groups.get(behind)?.section) || null);
      groups.set(name, group);
    }
    return group.grid;
  }

  /** Puts tiles where they belong: a camera stands in its first group that is asked for. */
  function arrange(): void {
    const now_ms = performance.now();
    const wanted = layout.get("group");
    setAttribute(sections, "data-columns", layout.get("columns"));
    setAttribute(sections, "data-size", layout.get("size"));
    for (const [id, tile] of tiles) {
      if (live.cameras.has(id)) continue;
      seen.unobserve(tile.element);
      tile.element.remove();
      tiles.delete(id);
    }
    for (const camera of [...live.cameras.values()].sort((a, b) => a.id.localeCompare(b.id, "en", { numeric: true }))) {
      let tile = tiles.get(camera.id);
      if (!tile) {
        tile = new Tile(context, camera.id);
        tiles.set(camera.id, tile);
        byElement.set(tile.element, tile);
        seen.observe(tile.element);
      }
      const grid = groupOf((wanted && camera.view.groups.includes(wanted) ? wanted : camera.view.groups[0]) ?? NO_GROUP);
      if (tile.element.parentElement !== grid) {
        const behind = [...grid.children].find((other) => (byElement.get(other)?.cameraId ?? "").localeCompare(camera.id, "en", { numeric: true }) > 0);
        grid.insertBefore(tile.element, behind ?? null);
      }
      tile.element.hidden =
        (wanted !== null && !camera.view.groups.includes(wanted)) || (layout.get("idle") === "hide" && tile.isIdle(camera, now_ms));
    }
    for (const { section, grid } of groups.values()) section.hidden = [...grid.children].every((tile) => (tile as HTMLElement).hidden);
    empty.hidden = [...groups.values()].some(({ section }) => !section.hidden);
    empty.textContent = tiles.size ? "All cameras are idle, or of other groups." : "No camera has told anything yet.";
  }

  const idle = h("input", { type: "checkbox", checked: layout.get("idle") === "hide", onchange: () => set("idle", idle.checked ? "hide" : "") });
  const element = h(
    "div",
    { class: "wall" },
    h(
      "div",
      { class: "controls", role: "group", "aria-label": "Layout" },
      choice("Columns", [["", "as fit"], ...["1", "2", "3", "4", "6", "8"].map((n) => [n, n] as const)], layout.get("columns") ?? "", (v) => set("columns", v)),
      choice("Size", [["small", "small"], ["", "medium"], ["large", "large"]], layout.get("size") ?? "", (v) => set("size", v)),
      choice("Group", [["", "all"], ...me.all_groups.map((name) => [name, name] as const)], layout.get("group") ?? "", (v) => set("group", v)),
      h("label", {}, idle, "Hide idle cameras"),
      pictureControls(context, redraw),
      h("span", { class: "legend" }, h("i", { class: "ink-towards" }, "● towards"), " ", h("i", { class: "ink-against" }, "○ against"), " the emotion"),
    ),
    empty,
    sections,
  );

  let arrangedAt_ms = -Infinity;
  let roundAt_ms = 0;
  let drawnMost = 16;
  let turn = 0;
  const listener = { changed: () => void (arrangedAt_ms = -Infinity) };
  live.listeners.add(listener);
  sized.observe(sections);
  writeParameters(layout);

  return {
    title: "Wall",
    element,
    frame(now_ms) {
      if (now_ms - arrangedAt_ms > 1000) {
        arrangedAt_ms = now_ms;
        arrange();
      }
      const passed_ms = now_ms - roundAt_ms;
      if (passed_ms < ROUND_MS) return;
      roundAt_ms = now_ms;
      const shown = [...tiles.values()].filter((tile) => tile.isOnScreen && live.cameras.has(tile.cameraId));
      const drawnLeast = Math.ceil((shown.length * passed_ms) / ALL_MS);
      drawnMost = passed_ms > SLOW_MS ? Math.max(drawnLeast, Math.floor(drawnMost * 0.7)) : Math.min(shown.length, drawnMost + 2);
      let drawn = 0;
      for (let step = 0; step < shown.length && drawn < drawnMost; step++) {
        const tile = shown[turn++ % shown.length]!;
        if (tile.draw(live.cameras.get(tile.cameraId)!, now_ms)) drawn++;
      }
      // Behind all drawing, which asks how large canvases are: between two words it would lay the page out anew.
      for (const tile of shown) tile.write(live.cameras.get(tile.cameraId)!, now_ms);
    },
    close() {
      live.listeners.delete(listener);
      seen.disconnect();
      sized.disconnect();
    },
  };
}

/** As the address says; what it does not say, as it was chosen last. */
function readLayout(): URLSearchParams {
  const { parameters } = readHash();
  const kept = parameters.size ? parameters : new URLSearchParams(localStorage.getItem(KEY) ?? "");
  return new URLSearchParams([...kept].filter(([name]) => (CHOICES as readonly string[]).includes(name)));
}
