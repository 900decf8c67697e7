/** A subject's past: its events in order, each with its points. */

import { type EmotionEvent, type FacePoints, type History, ask } from "../api";
import { decodePoints } from "../faces/landmark_set";

export interface Moment {
  at_ms: number;
  event: EmotionEvent;
  /** Turned to the front; null where Kafka has them no more. */
  points: Float32Array | null;
}

const MOMENTS_MAX = 6000; // ten minutes at ten a second

export class Moments {
  all: Moment[] = [];
  #ids = new Set<string>();
  #points = new Map<string, Float32Array>();

  add(events: readonly EmotionEvent[], points: readonly FacePoints[]): void {
    for (const one of points) this.addPoints(one);
    let isSorted = true;
    for (const event of events) {
      if (this.#ids.has(event.event_id)) continue;
      this.#ids.add(event.event_id);
      const moment = { at_ms: Date.parse(event.captured_at), event, points: this.#points.get(event.event_id) ?? null };
      this.#points.delete(event.event_id);
      isSorted &&= moment.at_ms >= (this.all.at(-1)?.at_ms ?? -Infinity);
      this.all.push(moment);
    }
    if (!isSorted) this.all.sort((a, b) => a.at_ms - b.at_ms);
    for (const gone of this.all.splice(0, this.all.length - MOMENTS_MAX)) this.#ids.delete(gone.event.event_id);
  }

  addPoints(one: FacePoints): void {
    if (this.#ids.has(one.event_id)) {
      const moment = this.all.find((other) => other.event.event_id === one.event_id);
      if (moment) moment.points ??= decodePoints(one.points);
      return;
    }
    this.#points.set(one.event_id, decodePoints(one.points));
    if (this.#points.size > 2000) this.#points.delete(this.#points.keys().next().value!);
  }

  /** The last one that is not later; the first one before all. */
  at(at_ms: number): Moment | null {
    let low = 0;
    let high = this.all.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.all[middle]!.at_ms <= at_ms) low = middle + 1;
      else high = middle;
    }
    return this.all[Math.max(0, low - 1)] ?? null;
  }
}

/** What Kafka still holds of a subject between two times, told in parts as they come, until `wanted` says no. */
export async function loadMoments(subjectId: string, from_ms: number, to_ms: number, came: (history: History) => void, wanted: () => boolean): Promise<void> {
  const base = `/subjects/${encodeURIComponent(subjectId)}/events?points=true&limit=500&since=${iso(from_ms)}&until=${iso(to_ms)}`;
  let next: string | null = "";
  while (next !== null && wanted()) {
    const history: History = await ask(`${base}${next && `&cursor=${next}`}`);
    if (!wanted()) return;
    came(history);
    next = history.next;
  }
}

function iso(at_ms: number): string {
  return new Date(at_ms).toISOString();
}
