/** The API of `mien live` (docs/live.md) as types and calls. */

export const EMOTIONS = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"] as const;
export type Emotion = (typeof EMOTIONS)[number];
export type Baseline = "subject" | "population";
export type VerdictWord = "confirmed" | "rejected" | "unsure";
export type CameraState = "ok" | "frozen" | "dark" | "covered" | "blurred" | "moved" | "lost" | "clock-off";

export interface Me {
  name: string;
  role: "viewer" | "reviewer" | "admin";
  all_groups: string[];
  signed_in: boolean;
  pictures: boolean;
  may_show_faces: boolean;
}
export interface LandmarkSetView {
  landmark_set: string;
  indices: number[];
  regions: string[];
  edges: [number, number][];
  canonical: string;
}
export interface CameraView {
  camera_id: string;
  groups: string[];
  state: CameraState | "unknown";
  since: string | null;
  measures: Record<string, number>;
  truth_age_s: number | null;
  event_age_s: number | null;
  subjects: number | null;
  alerts_firing: number;
}
export interface CameraTruth {
  camera_id: string;
  at: string;
  state: CameraState;
  since: string;
  measures: Record<string, number>;
}
export interface CameraSpan {
  camera_id: string;
  state: CameraState;
  since: string;
  until: string | null;
}
export interface ActivityView {
  items: { camera_id: string; buckets: { at: string; events: number; emotions: Partial<Record<Emotion, number>> }[] }[];
  counted_since: string;
  next: string | null;
}
export interface Coverage {
  camera_id: string;
  days: number;
  columns: number;
  rows: number;
  picture: { width_px: number; height_px: number } | null;
  faces: number;
  read: number;
  cells: CoverageCell[];
  problems: { reason: string; where: string; faces: number; unread: number; advice: string }[];
}
export interface CoverageCell {
  column: number;
  row: number;
  faces: number;
  read: number;
  unread: Record<string, number>;
}
export interface Explanation {
  target: Emotion;
  baseline: Baseline;
  score_change: number;
  landmarks: { index: number; region: string; attribution: number }[];
  regions: Record<string, number>;
  text: string;
  attributions: number[];
  actions: { name: string; au: number; strength: number; share: number }[];
}
export interface EmotionEvent {
  event_id: string;
  camera_id: string;
  subject_id: string;
  frame_seq: number;
  captured_at: string;
  emotion: Emotion | null;
  confidence: number;
  abstained: "low-confidence" | "small-face" | "extreme-pose" | "blurred" | "partial-face" | null;
  probabilities: Record<Emotion, number>;
  explanation: Explanation;
  model: { name: string; version: string; landmark_set: string };
}
export interface FacePoints {
  event_id: string;
  camera_id: string;
  subject_id: string;
  captured_at: string;
  landmark_set: string;
  points: string;
  rotation: number[];
  /** In widths of the picture. */
  place: { scale: number; x: number; y: number } | null;
}
export interface Subject {
  subject_id: string;
  camera_id: string;
  events: number;
  abstained: number;
  dominant: Emotion | null;
  probabilities: Partial<Record<Emotion, number>>;
}
export interface SubjectView {
  subject: Subject;
  baseline: Baseline;
  neutral: { landmark_set: string; points: string; weight_s: number; readings: number } | null;
}
export interface History {
  items: EmotionEvent[];
  points: FacePoints[];
  next: string | null;
}
export interface Alert {
  alert_id: string;
  rule: string;
  severity: "info" | "warning" | "critical";
  state: "firing" | "resolved";
  camera_id: string;
  subject_id: string | null;
  started_at: string;
  at: string;
  summary: string;
  value: number;
  threshold: number;
  evidence: {
    peak: number;
    mean: number;
    emotion: Emotion | null;
    baseline: Baseline;
    regions: Record<string, number>;
    actions: string[];
    text: string;
    camera: string;
    subjects: string[];
  };
}
export interface Verdict {
  alert_id: string;
  verdict: VerdictWord;
  by: string;
  at: string;
  note: string;
}
export interface ReviewedAlert {
  alert: Alert;
  verdict: VerdictWord | null;
  verdicts: Verdict[];
  /** Who looked at it, the last one first; as this server knows it, since it began. */
  opened: { by: string; at: string }[];
}
export interface PrecisionRow {
  name: string;
  confirmed: number;
  rejected: number;
  unsure: number;
  precision: number | null;
  low: number;
  high: number;
}
export interface Precision {
  reviewed: number;
  disagreed: number;
  by_rule: PrecisionRow[];
  by_camera: PrecisionRow[];
  by_emotion: PrecisionRow[];
}
export interface Listed<T> {
  items: T[];
  next: string | null;
}

export const API = "api/v1";

/** What the API answered instead; `status` 0: nothing, it is away. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

let offset_ms = 0;

/** The server's time, good to a second: the browser's own clock may be off. */
export function serverNow_ms(): number {
  return Date.now() + offset_ms;
}

/** Called when a session has ended. */
export const onSignedOut: { call: () => void } = { call: () => undefined };

export async function ask<T>(path: string, method: "GET" | "POST" | "DELETE" = "GET", body?: unknown): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(`${API}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  } catch {
    throw new Refused(0, "The server does not answer.");
  }
  const date_ms = Date.parse(answer.headers.get("date") ?? "");
  if (!Number.isNaN(date_ms) && Math.abs(date_ms - serverNow_ms()) > 1500) offset_ms = date_ms - Date.now();
  if (!answer.ok) {
    if (answer.status === 401 && path !== "/session") onSignedOut.call();
    const problem: unknown = await answer.json().catch(() => null);
    const detail = problem && typeof problem === "object" && "detail" in problem ? String(problem.detail) : answer.statusText;
    throw new Refused(answer.status, detail);
  }
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

/** All parts of a list of the API, one behind the other. */
export async function askParts<T extends { next: string | null }>(path: string): Promise<T[]> {
  const found: T[] = [];
  let next: string | null = "";
  while (next !== null) {
    const part: T = await ask(`${path}${next && `&cursor=${encodeURIComponent(next)}`}`);
    found.push(part);
    next = part.next;
  }
  return found;
}

/** A list of the API, as long as it may be. */
export async function askAll<T>(path: string, most: number): Promise<T[]> {
  const found: T[] = [];
  let next: string | null = "";
  while (next !== null && found.length < most) {
    const page: Listed<T> = await ask(`${path}${next && `&cursor=${encodeURIComponent(next)}`}`);
    found.push(...page.items);
    next = page.next;
  }
  return found;
}
