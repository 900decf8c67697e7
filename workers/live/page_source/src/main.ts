/** Starts the page: who is there, what they may see, and the view that the address names. */

import "./page.css";
import { type Me, Refused, ask, onSignedOut } from "./api";
import { h, setAttribute, setText } from "./dom";
import { loadLandmarkSet } from "./faces/landmark_set";
import { LiveState } from "./live_state";
import { Pictures } from "./pictures";
import { themeButton } from "./theme";
import { camera } from "./views/camera";
import { signIn } from "./views/sign_in";
import { type Context, type View, readHash } from "./views/view";
import { review } from "./views/review";
import { subject } from "./views/subject";
import { timeline } from "./views/timeline";
import { wall } from "./views/wall";

const VIEWS: Record<string, (context: Context, path: string[], parameters: URLSearchParams) => View> = { wall, camera, subject, review, timeline };
const LINKS = [["wall", "Wall"], ["review", "Review"], ["timeline", "Timeline"]] as const;
const AGAIN_MS = 2000;

let context: Context | null = null;
let view: View | null = null;
let viewName = "";
const main = h("main", { id: "main", tabindex: -1 });
const connection = h("span", { class: "connection", role: "status" });
const who = h("span", { class: "who" });
const said = h("div", { class: "said", "aria-live": "assertive" });
const links = LINKS.map(([name, text]) => h("a", { href: `#/${name}` }, text));
const signOut = h("button", { type: "button", hidden: true, onclick: () => void ask("/session", "DELETE").then(() => location.reload()) }, "Sign out");
const theme = themeButton(() => show());
const banner = h("header", { class: "banner" }, h("a", { class: "skip", href: "#main", onclick: skip }, "To the content"), h("span", { class: "name" }, "Mien"), h("nav", { "aria-label": "Views" }, ...links), connection, who, theme, signOut);

function skip(event: Event): void {
  event.preventDefault();
  main.focus();
}

/** Shows the view that the address names. */
function show(): void {
  if (!context) return;
  const { path, parameters } = readHash();
  const [name = "wall", ...rest] = path;
  view?.close?.();
  viewName = name in VIEWS ? name : "wall";
  view = VIEWS[viewName]!(context, rest, parameters);
  document.title = `${view.title} – Mien`;
  main.replaceChildren(h("h1", { class: "hidden" }, view.title), view.element);
  links.forEach((link, at) => setAttribute(link, "aria-current", LINKS[at]![0] === viewName ? "page" : null));
}

function frame(now_ms: number): void {
  view?.frame?.(now_ms);
  if (context) setText(connection, { open: "", connecting: "Connecting …", reconnecting: "Reconnecting …" }[context.live.connection]);
  requestAnimationFrame(frame);
}

async function start(me: Me): Promise<void> {
  const live = new LiveState();
  const [landmarkSet] = await Promise.all([loadLandmarkSet(), live.start()]);
  context = {
    me,
    live,
    landmarkSet,
    pictures: new Pictures(me.pictures, me.may_show_faces),
    say: (text) => {
      said.append(h("p", {}, text));
      while (said.childElementCount > 3) said.firstElementChild?.remove();
      window.setTimeout(() => said.firstElementChild?.remove(), 8000);
    },
  };
  live.listeners.add({
    alert: (alert) => {
      if (alert.state === "firing" && alert.severity !== "info") context?.say(`Alert ${alert.rule} at ${alert.camera_id}: ${alert.summary}`);
    },
  });
  who.textContent = `${me.name} (${me.role})`;
  signOut.hidden = !me.signed_in;
  document.body.prepend(banner);
  document.body.append(main, said);
  show();
}

function askForToken(): void {
  context?.live.stop();
  context = null;
  view?.close?.();
  view = null;
  banner.remove();
  document.title = "Sign in – Mien";
  main.replaceChildren(signIn((me) => void start(me)));
  document.body.append(main);
  main.querySelector("input")?.focus();
}

async function begin(): Promise<void> {
  try {
    await start(await ask<Me>("/me"));
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return;
    main.replaceChildren(h("p", { class: "empty", role: "alert" }, `${error instanceof Error ? error.message : String(error)} Trying again …`));
    document.body.append(main);
    window.setTimeout(() => void begin(), AGAIN_MS);
  }
}

onSignedOut.call = askForToken;
window.addEventListener("hashchange", show);
window.addEventListener("keydown", (event) => {
  const target = event.target as HTMLElement;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && (target as HTMLInputElement).type !== "checkbox";
  if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey) view?.key?.(event);
});
requestAnimationFrame(frame);
void begin();
