/** A camera's picture on a canvas, with the faces drawn over it where they are; and what turns pictures on. */

import { h, setAttribute, setText } from "../dom";
import { boxAround, cleared, drawFace } from "../faces/draw_face";
import { setOf } from "../faces/landmark_set";
import type { Drawn, Face } from "../live_state";
import type { Shot } from "../pictures";
import { colours } from "../theme";
import { clock } from "../words";
import type { Context } from "./view";

const DRAW_MS = 100;
const KEPT_MS = 5000; // of what faces were, since a picture comes later than their points
const NEAR_MS = 250; // between a picture and the points that are drawn over it
const WORDS = {
  hidden: "Faces hidden",
  whole: "All hidden, since no face was found in it",
  shown: "Faces shown, which is logged",
};

export class CameraPicture {
  #past: { at_ms: number; drawn: Drawn }[] = [];
  #shot: Shot | null | undefined; // undefined: draw whatever there is
  #over: readonly Drawn[] = []; // the faces that were drawn on it

  constructor(
    readonly context: Context,
    readonly canvas: HTMLCanvasElement,
  ) {}

  /** Whether something else was drawn than before: another picture, or faces that came later than theirs. */
  draw(cameraId: string, faces: readonly Face[], now_ms: number): boolean {
    this.#remember(faces);
    const shot = this.context.pictures.newest(cameraId, now_ms);
    const over = shot ? this.#of(shot) : [];
    if (shot === this.#shot && over.every((face) => this.#over.includes(face))) return false;
    this.#shot = shot;
    this.#over = over;
    const pencil = cleared(this.canvas);
    if (!pencil || !shot) return pencil !== null;
    const { clientWidth, clientHeight } = this.canvas;
    const scale = Math.min(clientWidth / shot.bitmap.width, clientHeight / shot.bitmap.height);
    const [width, height] = [shot.bitmap.width * scale, shot.bitmap.height * scale];
    const [left, top] = [(clientWidth - width) / 2, (clientHeight - height) / 2];
    pencil.drawImage(shot.bitmap, left, top, width, height);
    for (const { event, points, place } of over) {
      if (!place) continue;
      const box = boxAround(left + place.x * width, top + place.y * width, place.scale * width);
      drawFace(pencil, box, setOf(this.context.landmarkSet, event.model.landmark_set), points, event.explanation.attributions, colours());
    }
    return true;
  }

  redraw(): void {
    this.#shot = undefined;
  }

  words(): string {
    const shot = this.#shot;
    return shot ? `${WORDS[shot.faces]}; picture of ${clock(shot.capturedAt_ms)}` : "No picture yet";
  }

  #remember(faces: readonly Face[]): void {
    for (const { drawn } of faces) {
      if (drawn && !this.#past.some((one) => one.drawn === drawn)) this.#past.push({ at_ms: Date.parse(drawn.event.captured_at), drawn });
    }
    const newest_ms = this.#past.reduce((most, { at_ms }) => Math.max(most, at_ms), -Infinity);
    this.#past = this.#past.filter(({ at_ms }) => newest_ms - at_ms < KEPT_MS);
  }

  /** Of each face what it was when the picture was taken. */
  #of(shot: Shot): Drawn[] {
    const found = new Map<string, { off_ms: number; drawn: Drawn }>();
    for (const { at_ms, drawn } of this.#past) {
      const off_ms = Math.abs(at_ms - shot.capturedAt_ms);
      const best = found.get(drawn.event.subject_id);
      if (off_ms <= NEAR_MS && (!best || off_ms < best.off_ms)) found.set(drawn.event.subject_id, { off_ms, drawn });
    }
    return [...found.values()].map(({ drawn }) => drawn);
  }
}

/** The picture beside a subject, of now alone: Kafka keeps pictures for a minute. Null where there are none. */
export function pictureCard(context: Context): { element: HTMLElement; frame(cameraId: string, isNow: boolean, now_ms: number): void } | null {
  const { live, pictures } = context;
  const canvas = h("canvas", { class: "picture-canvas", role: "img" });
  const about = h("p", { class: "quiet" });
  const picture = new CameraPicture(context, canvas);
  let drawnAt_ms = -Infinity;
  const controls = pictureControls(context, () => {
    drawnAt_ms = -Infinity;
    picture.redraw();
    canvas.hidden = about.hidden = !pictures.isOn;
  });
  return controls && {
    element: h("section", { class: "card stack", "aria-label": "Picture" }, controls, canvas, about),
    frame(cameraId, isNow, now_ms) {
      const camera = live.cameras.get(cameraId);
      if (!pictures.isOn || now_ms - drawnAt_ms < DRAW_MS) return;
      drawnAt_ms = now_ms;
      canvas.hidden = !isNow;
      if (isNow && camera) picture.draw(cameraId, live.faces(camera, now_ms), now_ms);
      setText(about, isNow ? picture.words() : "Pictures are of now alone.");
      setAttribute(canvas, "aria-label", `The picture of ${cameraId}: ${picture.words()}`);
    },
  };
}

/** Turns pictures on and, for who may, faces in them; null where the server shows none. */
export function pictureControls({ pictures }: Context, changed: () => void): HTMLElement | null {
  if (!pictures.areThere) return null;
  const on = h("input", { type: "checkbox", onchange: () => { pictures.turn(on.checked); show(); } });
  const faces = h("button", { type: "button", onclick: () => { pictures.showFaces(!pictures.showsFaces); show(); } });
  function show(): void {
    on.checked = pictures.isOn;
    faces.hidden = !pictures.isOn || !pictures.mayShowFaces;
    setAttribute(faces, "aria-pressed", pictures.showsFaces ? "true" : "false");
    setText(faces, pictures.showsFaces ? "Hide faces" : "Show faces: this is logged");
    changed();
  }
  const element = h("span", { class: "picture-controls" }, h("label", {}, on, "Pictures"), faces);
  show();
  return element;
}
