/**
 * How often each camera showed which emotion: what the timeline draws. What was before comes from the server, what
 * comes meanwhile is counted here, until the server is asked again.
 */

import { type ActivityView, EMOTIONS } from "./api";
import { clock, percent } from "./words";

const OWN_BUCKET_MS = 2000;
const KEPT_MS = 3_600_000;
const EMOTION = /"emotion":"([a-z]+)"/;
const CAPTURED = /"captured_at":"([^"]+)"/;
const NO_ANSWER = EMOTIONS.length;

export interface Bucket {
  at_ms: number;
  wide_ms: number;
  /** How many events named each emotion, and, last, none. */
  counts: Uint32Array;
}

export class Activity {
  /** From when on all is counted by the server; null: it was not asked. */
  countedSince_ms: number | null = null;
  #own = new Map<string, Map<number, Bucket>>();
  #past = new Map<string, Bucket[]>();
  #pastUntil_ms = -Infinity;

  /** Counts one event, from its text. */
  take(cameraId: string, text: string): void {
    const number = Math.floor(Date.parse(CAPTURED.exec(text)?.[1] ?? "") / OWN_BUCKET_MS);
    if (Number.isNaN(number)) return;
    let buckets = this.#own.get(cameraId);
    if (!buckets) this.#own.set(cameraId, (buckets = new Map()));
    let bucket = buckets.get(number);
    if (!bucket) {
      buckets.set(number, (bucket = empty(number * OWN_BUCKET_MS, OWN_BUCKET_MS)));
      const oldest = buckets.keys().next().value!;
      if (oldest < number - KEPT_MS / OWN_BUCKET_MS) buckets.delete(oldest);
    }
    const emotion = EMOTIONS.indexOf(EMOTION.exec(text)?.[1] as (typeof EMOTIONS)[number]);
    bucket.counts[emotion < 0 ? NO_ANSWER : emotion]!++;
  }

  /** What the server has counted up to now; what is counted here goes on from there, finer. */
  takePast(answers: readonly ActivityView[], bucket_s: number, now_ms: number): void {
    const wide_ms = bucket_s * 1000;
    this.#pastUntil_ms = now_ms;
    this.#past = new Map(answers.flatMap(({ items }) => items).map(({ camera_id, buckets }) => [camera_id, buckets.map(({ at, events, emotions }) => {
      const bucket = empty(Date.parse(at), wide_ms);
      EMOTIONS.forEach((name, emotion) => (bucket.counts[emotion] = emotions[name] ?? 0));
      bucket.counts[NO_ANSWER] = events - total(bucket);
      return bucket;
    })]));
    this.countedSince_ms = answers.length ? Math.max(...answers.map(({ counted_since }) => Date.parse(counted_since))) : null;
  }

  /** A camera's buckets that touch a time, the server's first. */
  *of(cameraId: string, from_ms: number): Generator<Bucket> {
    for (const bucket of this.#past.get(cameraId) ?? []) {
      if (bucket.at_ms + bucket.wide_ms > from_ms) yield bucket;
    }
    for (const bucket of this.#own.get(cameraId)?.values() ?? []) {
      if (bucket.at_ms >= this.#pastUntil_ms && bucket.at_ms + bucket.wide_ms > from_ms) yield bucket;
    }
  }
}

export function total(bucket: Bucket): number {
  return bucket.counts.reduce((sum, count) => sum + count, 0);
}

/** "Faces from 12:00:04 to 12:03:20: happiness 62 %, neutral 30 %, no answer 8 %" */
export function activityWords(buckets: readonly Bucket[]): string {
  if (!buckets.length) return "No faces";
  const sums = [...EMOTIONS, "no answer"].map((name, at) => ({ name, count: buckets.reduce((sum, { counts }) => sum + counts[at]!, 0) }));
  const all = sums.reduce((sum, { count }) => sum + count, 0);
  const shares = sums.filter(({ count }) => count).sort((a, b) => b.count - a.count).map(({ name, count }) => `${name} ${percent(count / all)}`);
  const from_ms = Math.min(...buckets.map(({ at_ms }) => at_ms));
  const to_ms = Math.max(...buckets.map(({ at_ms, wide_ms }) => at_ms + wide_ms));
  return `Faces from ${clock(from_ms)} to ${clock(to_ms)}: ${shares.join(", ")}`;
}

function empty(at_ms: number, wide_ms: number): Bucket {
  return { at_ms, wide_ms, counts: new Uint32Array(EMOTIONS.length + 1) };
}
