/** Light and dark: as the system says, unless the viewer chose; and the colours of what is drawn on canvases. */

import { h } from "./dom";
import { EMOTIONS } from "./api";

export interface Palette {
  towards: string;
  against: string;
  line: string;
  ghost: string;
  text: string;
  emotions: string[];
}

const KEY = "mien-theme";
const probe = h("div", { id: "colours", hidden: true });
let palette: Palette | null = null;

/** A colour of page.css, worked out: canvases know no light-dark(). */
function colour(name: string): string {
  const element = h("i", { class: `ink-${name}` });
  probe.append(element);
  const found = getComputedStyle(element).color;
  element.remove();
  return found;
}

/** Some of them by their names. */
export function inks<Name extends string>(...names: Name[]): Record<Name, string> {
  return Object.fromEntries(names.map((name) => [name, colour(name)])) as Record<Name, string>;
}

export function colours(): Palette {
  if (palette) return palette;
  palette = {
    towards: colour("towards"),
    against: colour("against"),
    line: colour("line"),
    ghost: colour("ghost"),
    text: colour("text"),
    emotions: EMOTIONS.map(colour),
  };
  return palette;
}

/** A button that goes from light to dark and back. `changed`: draw again. */
export function themeButton(changed: () => void): HTMLButtonElement {
  document.body.append(probe);
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = (): boolean => (document.documentElement.dataset["theme"] ?? (system.matches ? "dark" : "light")) === "dark";
  const button = h("button", {
    type: "button",
    onclick: () => {
      const theme = isDark() ? "light" : "dark";
      document.documentElement.dataset["theme"] = theme;
      localStorage.setItem(KEY, theme);
      show();
    },
  });
  function show(): void {
    button.textContent = isDark() ? "Light" : "Dark";
    palette = null;
    changed();
  }
  const kept = localStorage.getItem(KEY);
  if (kept === "light" || kept === "dark") document.documentElement.dataset["theme"] = kept;
  system.addEventListener("change", show);
  show();
  return button;
}
