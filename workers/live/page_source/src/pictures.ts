/**
 * The pictures of cameras, where the server shows them: asked for at most twice a second each, few at once, and only
 * while they are drawn. Whether faces are in them decides the server; that they are to be shown is kept nowhere.
 */

import { API, onSignedOut } from "./api";

const AGAIN_MS = 500;
const NONE_YET_MS = 1000;
const REFUSED_MS = 10_000;
const AT_ONCE = 3; // a browser has six connections to a server, and the stream takes one
const KEY = "mien-pictures";

export interface Shot {
  bitmap: ImageBitmap;
  /** By the clock of the camera, in ms since the epoch. */
  capturedAt_ms: number;
  /** hidden: each that was found; whole: all of the picture. */
  faces: "hidden" | "whole" | "shown";
}

interface Asked {
  again_ms: number;
  isAsking: boolean;
  shot: Shot | null;
}

export class Pictures {
  #isOn: boolean;
  #showsFaces = false;
  #asking = 0;
  #cameras = new Map<string, Asked>();

  constructor(
    readonly areThere: boolean,
    readonly mayShowFaces: boolean,
  ) {
    this.#isOn = areThere && localStorage.getItem(KEY) === "on";
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  get showsFaces(): boolean {
    return this.#showsFaces;
  }

  turn(on: boolean): void {
    this.#isOn = on && this.areThere;
    localStorage.setItem(KEY, this.#isOn ? "on" : "off");
    if (!this.#isOn) this.showFaces(false);
    this.#forget();
  }

  showFaces(on: boolean): void {
    this.#showsFaces = on && this.mayShowFaces;
    this.#forget();
  }

  /** The newest picture of a camera that has come; asks for another one if it is time. */
  newest(cameraId: string, now_ms: number): Shot | null {
    let asked = this.#cameras.get(cameraId);
    if (!asked) this.#cameras.set(cameraId, (asked = { again_ms: -Infinity, isAsking: false, shot: null }));
    if (!asked.isAsking && now_ms >= asked.again_ms && this.#asking < AT_ONCE) void this.#ask(cameraId, asked, now_ms);
    return asked.shot;
  }

  async #ask(cameraId: string, asked: Asked, now_ms: number): Promise<void> {
    asked.isAsking = true;
    this.#asking++;
    try {
      const answer = await fetch(`${API}/cameras/${encodeURIComponent(cameraId)}/picture${this.#showsFaces ? "?faces=shown" : ""}`);
      if (answer.status === 401) onSignedOut.call();
      asked.again_ms = now_ms + (answer.status === 200 ? AGAIN_MS : answer.status === 204 ? NONE_YET_MS : REFUSED_MS);
      const bitmap = answer.status === 200 ? await createImageBitmap(await answer.blob()) : null;
      if (this.#cameras.get(cameraId) !== asked) return bitmap?.close(); // meanwhile others were asked for
      if (!bitmap) return;
      asked.shot?.bitmap.close();
      asked.shot = {
        bitmap,
        capturedAt_ms: Date.parse(answer.headers.get("x-mien-captured-at") ?? ""),
        faces: (answer.headers.get("x-mien-faces") ?? "whole") as Shot["faces"],
      };
    } catch {
      asked.again_ms = now_ms + NONE_YET_MS; // the server is away, as the page says already
    } finally {
      asked.isAsking = false;
      this.#asking--;
    }
  }

  #forget(): void {
    for (const { shot } of this.#cameras.values()) shot?.bitmap.close();
    this.#cameras.clear();
  }
}
