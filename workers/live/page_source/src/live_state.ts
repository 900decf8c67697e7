/**
 * What is true now: cameras, faces and firing alerts, from the API every few seconds and from the stream between.
 * Events and points are kept as text, the newest of each face alone, and read when they are drawn: of 50 cameras
 * with ten events a second most are never looked at.
 */

import { type Alert, type CameraTruth, type CameraView, type EmotionEvent, type FacePoints, type ReviewedAlert, type Verdict, askAll } from "./api";
import { Activity } from "./activity";
import { type Connection, type StreamEvent, openStream } from "./event_stream";
import { decodePoints, turned } from "./faces/landmark_set";

const ASK_AGAIN_MS = 10_000;
const FACE_GONE_S = 3;
const CAMERA = /"camera_id":"([^"\\]+)"/;
const SUBJECT = /"subject_id":"([^"\\]+)"/;
const POINTS_WAITING = 8; // so many may come before their event

export interface Camera {
  id: string;
  view: CameraView;
  /** On this machine's monotonic clock, as all `_ms` here. */
  viewAt_ms: number;
  eventAt_ms: number | null;
  truthAt_ms: number | null;
  faces: Map<string, Face>;
}

/** One face: its newest event and points, read when they are asked for. */
export class Face {
  seenAt_ms = 0;
  #event: EmotionEvent | string;
  #points: (FacePoints | string)[] = [];
  #drawn: Drawn | null = null;

  constructor(
    readonly subjectId: string,
    event: string,
  ) {
    this.#event = event;
  }

  takeEvent(text: string, now_ms: number): void {
    this.#event = text;
    this.seenAt_ms = now_ms;
  }

  takePoints(text: string): void {
    this.#points.push(text);
    if (this.#points.length > POINTS_WAITING) this.#points.shift();
  }

  get event(): EmotionEvent {
    if (typeof this.#event === "string") this.#event = JSON.parse(this.#event) as EmotionEvent;
    return this.#event;
  }

  /** The newest event whose points have come, with them as the head is held. */
  get drawn(): Drawn | null {
    const event = this.event;
    if (this.#drawn?.event !== event) {
      this.#points = this.#points.map((one) => (typeof one === "string" ? (JSON.parse(one) as FacePoints) : one));
      const at = this.#points.findIndex((one) => (one as FacePoints).event_id === event.event_id);
      if (at >= 0) {
        const [found] = this.#points.splice(0, at + 1).slice(-1) as [FacePoints];
        this.#drawn = { event, points: turned(decodePoints(found.points), found.rotation), place: found.place };
      }
    }
    return this.#drawn;
  }
}

export interface Drawn {
  event: EmotionEvent;
  points: Float32Array;
  place: FacePoints["place"];
}

export interface Listener {
  emotion?(subjectId: string, text: string): void;
  points?(subjectId: string, text: string): void;
  camera?(truth: CameraTruth): void;
  alert?(alert: Alert): void;
  verdict?(verdict: Verdict): void;
  /** Cameras came, went or were asked for again; or the connection is another. */
  changed?(): void;
}

export class LiveState {
  readonly cameras = new Map<string, Camera>();
  readonly firing = new Map<string, Alert>();
  readonly listeners = new Set<Listener>();
  readonly activity = new Activity();
  connection: Connection = "connecting";
  connectionAt_ms = performance.now();
  skipped = 0;
  #close: () => void = () => undefined;
  #timer = 0;

  async start(): Promise<void> {
    await this.#refresh();
    this.#close = openStream(
      (name, text) => this.#take(name, text),
      (connection) => {
        if (connection === this.connection) return;
        this.connection = connection;
        this.connectionAt_ms = performance.now();
        if (connection === "open") void this.#refresh().catch(() => undefined);
        this.#tell((listener) => listener.changed?.());
      },
    );
    this.#timer = window.setInterval(() => void this.#refresh().catch(() => undefined), ASK_AGAIN_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#close();
  }

  async #refresh(): Promise<void> {
    const [cameras, firing] = await Promise.all([
      askAll<CameraView>("/cameras?", 10_000),
      askAll<ReviewedAlert>("/alerts?state=firing&limit=500", 2_000),
    ]);
    const now_ms = performance.now();
    for (const view of cameras) {
      const known = this.cameras.get(view.camera_id);
      const at = (age_s: number | null): number | null => (age_s === null ? null : now_ms - age_s * 1000);
      const camera: Camera = known ?? { id: view.camera_id, view, viewAt_ms: 0, eventAt_ms: null, truthAt_ms: null, faces: new Map() };
      camera.view = view;
      camera.viewAt_ms = now_ms;
      camera.truthAt_ms = at(view.truth_age_s);
      camera.eventAt_ms = Math.max(at(view.event_age_s) ?? -Infinity, camera.eventAt_ms ?? -Infinity);
      if (camera.eventAt_ms === -Infinity) camera.eventAt_ms = null;
      this.cameras.set(camera.id, camera);
    }
    const here = new Set(cameras.map((view) => view.camera_id));
    for (const id of this.cameras.keys()) if (!here.has(id)) this.cameras.delete(id);
    this.firing.clear();
    for (const { alert } of firing) this.firing.set(alert.alert_id, alert);
    this.#tell((listener) => listener.changed?.());
  }

  /** The faces seen of late, the ones seen longest first, so that they keep their places. */
  faces(camera: Camera, now_ms: number): Face[] {
    for (const [id, face] of camera.faces) {
      if (now_ms - face.seenAt_ms > FACE_GONE_S * 1000) camera.faces.delete(id);
    }
    return [...camera.faces.values()].filter((face) => face.seenAt_ms > 0);
  }

  #take(name: StreamEvent, text: string): void {
    if (name === "emotion" || name === "points") this.#takeFace(name, text);
    else if (name === "camera") this.#takeTruth(JSON.parse(text) as CameraTruth);
    else if (name === "alert") {
      const alert = JSON.parse(text) as Alert;
      if (alert.state === "firing") this.firing.set(alert.alert_id, alert);
      else this.firing.delete(alert.alert_id);
      this.#tell((listener) => listener.alert?.(alert));
    } else if (name === "verdict") {
      const verdict = JSON.parse(text) as Verdict;
      this.#tell((listener) => listener.verdict?.(verdict));
    } else this.skipped += (JSON.parse(text) as { skipped: number }).skipped;
  }

  #takeFace(name: "emotion" | "points", text: string): void {
    const cameraId = CAMERA.exec(text)?.[1];
    const subjectId = SUBJECT.exec(text)?.[1];
    if (!cameraId || !subjectId) return;
    const camera = this.#camera(cameraId);
    let face = camera.faces.get(subjectId);
    if (!face) camera.faces.set(subjectId, (face = new Face(subjectId, "")));
    if (name === "emotion") {
      camera.eventAt_ms = performance.now();
      face.takeEvent(text, camera.eventAt_ms);
      this.activity.take(cameraId, text);
      this.#tell((listener) => listener.emotion?.(subjectId, text));
    } else {
      face.takePoints(text);
      this.#tell((listener) => listener.points?.(subjectId, text));
    }
  }

  #takeTruth(truth: CameraTruth): void {
    const camera = this.#camera(truth.camera_id);
    const changed = camera.view.state !== truth.state;
    camera.view = { ...camera.view, state: truth.state, since: truth.since, measures: truth.measures };
    camera.truthAt_ms = performance.now();
    this.#tell((listener) => listener.camera?.(truth));
    if (changed) this.#tell((listener) => listener.changed?.());
  }

  #camera(id: string): Camera {
    let camera = this.cameras.get(id);
    if (!camera) {
      const view: CameraView = {
        camera_id: id, groups: [], state: "unknown", since: null, measures: {},
        truth_age_s: null, event_age_s: null, subjects: null, alerts_firing: 0,
      };
      camera = { id, view, viewAt_ms: performance.now(), eventAt_ms: null, truthAt_ms: null, faces: new Map() };
      this.cameras.set(id, camera);
      void this.#refresh().catch(() => undefined); // its groups
      this.#tell((listener) => listener.changed?.());
    }
    return camera;
  }

  #tell(what: (listener: Listener) => void): void {
    for (const listener of this.listeners) what(listener);
  }
}

