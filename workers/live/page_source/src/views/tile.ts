/** One camera on the wall. */

import { serverNow_ms } from "../api";
import { h, setAttribute, setText } from "../dom";
import { cleared, drawFace } from "../faces/draw_face";
import { setOf } from "../faces/landmark_set";
import type { Camera, Face } from "../live_state";
import { tellDrawn } from "../measure";
import { colours } from "../theme";
import { type Known, isIdle, liveWords, tileState } from "../tile_state";
import { capital, emotionWords, stateWords } from "../words";
import { CameraPicture } from "./picture";
import { type Context, cameraHash, subjectHash } from "./view";

const DRAW_MS = 90; // ten times a second: less than three rounds of the wall
const WRITE_MS = 500;
const FACES_MAX = 4;

export class Tile {
  readonly element: HTMLElement;
  isVisible = true;
  #drawnAt_ms = -Infinity;
  #writtenAt_ms = -Infinity;
  #drawnEvents: string | null = null; // so that nobody's face is drawn too, over what was there
  #rows = new Map<string, HTMLAnchorElement>();
  readonly #canvas = h("canvas", { role: "img" });
  readonly #state = h("span", { class: "state" });
  readonly #alert = h("a", { class: "state state-alert", hidden: true });
  readonly #faces = h("ul", { class: "faces" });
  readonly #live = h("p", { class: "is-live" });
  readonly #about = h("p", { class: "about-picture", hidden: true });
  readonly #picture: CameraPicture;

  constructor(
    readonly context: Context,
    readonly cameraId: string,
  ) {
    this.#picture = new CameraPicture(context, this.#canvas);
    this.element = h(
      "article",
      { class: "tile", "data-camera": cameraId, "aria-label": `Camera ${cameraId}` },
      h("header", {}, h("h3", {}, h("a", { href: cameraHash(cameraId) }, cameraId)), this.#alert, this.#state),
      this.#canvas,
      this.#about,
      this.#faces,
      this.#live,
    );
    this.redraw();
  }

  get isOnScreen(): boolean {
    return this.isVisible && !this.element.hidden;
  }

  known(camera: Camera, now_ms: number, faces: readonly Face[]): Known {
    const seconds = (at_ms: number | null): number | null => (at_ms === null ? null : Math.max(0, (now_ms - at_ms) / 1000));
    const { live } = this.context;
    const newest = faces.reduce<Face | null>((best, face) => (best && best.seenAt_ms >= face.seenAt_ms ? best : face), null);
    return {
      state: camera.view.state,
      truthAge_s: seconds(camera.truthAt_ms),
      eventAge_s: seconds(camera.eventAt_ms),
      late_s: newest ? (serverNow_ms() - (now_ms - newest.seenAt_ms) - Date.parse(newest.event.captured_at)) / 1000 : null,
      away_s: live.connection === "reconnecting" ? seconds(live.connectionAt_ms) : null,
    };
  }

  /** Whether it is hidden where idle ones are: nothing to see, and nothing wrong. */
  isIdle(camera: Camera, now_ms: number): boolean {
    const known = this.known(camera, now_ms, []);
    return isIdle(known) && tileState(known) === "live" && !this.#firing().length;
  }

  /** Whether it was drawn: it was time, and something new was there. */
  draw(camera: Camera, now_ms: number): boolean {
    if (now_ms - this.#drawnAt_ms < DRAW_MS) return false;
    const faces = this.context.live.faces(camera, now_ms);
    const isDrawn = this.context.pictures.isOn ? this.#picture.draw(this.cameraId, faces, now_ms) : this.#draw(faces);
    if (isDrawn) this.#drawnAt_ms = now_ms;
    return isDrawn;
  }

  /** Writes what stands beside the faces, where it is time. */
  write(camera: Camera, now_ms: number): void {
    if (now_ms - this.#writtenAt_ms < WRITE_MS) return;
    this.#writtenAt_ms = now_ms;
    this.#write(camera, now_ms);
  }

  /** Draws again also what has not changed: the theme or the size is another. */
  redraw(): void {
    this.#drawnEvents = null;
    this.#picture.redraw();
    setAttribute(this.element, "data-picture", this.context.pictures.isOn);
    this.#drawnAt_ms = this.#writtenAt_ms = -Infinity;
  }

  #draw(faces: readonly Face[]): boolean {
    const shown = faces.map((face) => face.drawn).filter((one) => one !== null).slice(0, FACES_MAX);
    const events = shown.map(({ event }) => event.event_id).join();
    if (events === this.#drawnEvents) return false;
    const before = this.#drawnEvents;
    this.#drawnEvents = events;
    const context = cleared(this.#canvas);
    if (!context) return false;
    const columns = shown.length > 1 ? 2 : 1;
    const rows = Math.ceil(shown.length / columns);
    const width = this.#canvas.clientWidth / columns;
    const height = this.#canvas.clientHeight / Math.max(1, rows);
    const size = Math.min(width, height);
    shown.forEach(({ event, points }, place) => {
      const box = {
        x: (place % columns) * width + (width - size) / 2,
        y: Math.floor(place / columns) * height + (height - size) / 2,
        size,
      };
      drawFace(context, box, setOf(this.context.landmarkSet, event.model.landmark_set), points, event.explanation.attributions, colours());
      if (!before?.includes(event.event_id)) tellDrawn(event.captured_at);
    });
    return true;
  }

  #write(camera: Camera, now_ms: number): void {
    const faces = this.context.live.faces(camera, now_ms);
    const known = this.known(camera, now_ms, faces);
    const state = tileState(known);
    setAttribute(this.element, "data-state", state);
    setText(this.#state, state === "live" || state === "stale" ? capital(state) : capital(stateWords(state)));
    const firing = this.#firing();
    setAttribute(this.element, "data-alert", firing.length > 0);
    setAttribute(this.#alert, "hidden", firing.length === 0);
    if (firing[0]) {
      setText(this.#alert, firing.length > 1 ? `${firing.length} alerts` : `Alert: ${firing[0].rule}`);
      setAttribute(this.#alert, "href", `#/review/${firing[0].alert_id}`);
    }
    setText(this.#live, liveWords(known));
    this.#about.hidden = !this.context.pictures.isOn;
    setText(this.#about, this.#picture.words());
    this.#writeFaces(faces);
    const words = faces.map((face) => emotionWords(face.event)).join("; ");
    setAttribute(this.#canvas, "aria-label", words ? `${faces.length === 1 ? "A face" : `${faces.length} faces`}: ${words}` : "No face in view");
  }

  #writeFaces(faces: readonly Face[]): void {
    const here = new Set(faces.map((face) => face.subjectId));
    for (const [id, row] of this.#rows) {
      if (here.has(id)) continue;
      row.parentElement?.remove();
      this.#rows.delete(id);
    }
    for (const face of faces) {
      let row = this.#rows.get(face.subjectId);
      if (!row) {
        row = h("a", { href: subjectHash(face.subjectId) });
        this.#rows.set(face.subjectId, row);
        this.#faces.append(h("li", {}, row));
      }
      setText(row, emotionWords(face.event));
      setAttribute(row, "data-emotion", face.event.emotion ?? "none");
      setAttribute(row, "title", face.event.explanation.text);
    }
  }

  #firing() {
    return [...this.context.live.firing.values()].filter((alert) => alert.camera_id === this.cameraId);
  }
}
