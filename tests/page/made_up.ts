/** Events as the API gives them, of which a test names what matters. */

import { EMOTIONS, type Emotion, type EmotionEvent, type FacePoints } from "../../workers/live/page_source/src/api";

export const AT_MS = Date.parse("2026-11-29T12:00:00Z");

export function iso(at_ms: number): string {
  return new Date(at_ms).toISOString();
}

export function event(changes: Partial<EmotionEvent> = {}, likely: Emotion = "happiness"): EmotionEvent {
  return {
    event_id: "e1", camera_id: "hall-1", subject_id: "hall-1:x", frame_seq: 1, captured_at: iso(AT_MS),
    emotion: likely, confidence: 1, abstained: null,
    probabilities: Object.fromEntries(EMOTIONS.map((name) => [name, name === likely ? 1 : 0])) as Record<Emotion, number>,
    explanation: { target: likely, baseline: "population", score_change: 1, landmarks: [], regions: {}, text: "", attributions: [], actions: [] },
    model: { name: "m", version: "1", landmark_set: "set" },
    ...changes,
  };
}

/** One point at (1, 0, -2), the head held as it is. */
export function points(changes: Partial<FacePoints> = {}): FacePoints {
  return {
    event_id: "e1", camera_id: "hall-1", subject_id: "hall-1:x", captured_at: iso(AT_MS), landmark_set: "set",
    points: "ADwAAADA", rotation: [1, 0, 0, 0, 1, 0, 0, 0, 1], place: null,
    ...changes,
  };
}
