/** How often each camera showed which emotion, since the page was opened: what the timeline draws. */

import { EMOTIONS, serverNow_ms } from "./api";

export const BUCKET_MS = 2000;
const KEPT_MS = 3_600_000;
const EMOTION = /"emotion":"([a-z]+)"/;
const CAPTURED = /"captured_at":"([^"]+)"/;

export class Activity {
  /** Camera → number of the bucket → how many events named each emotion, and, last, none. */
  readonly cameras = new Map<string, Map<number, Uint16Array>>();
  readonly since_ms = serverNow_ms();

  take(cameraId: string, text: string): void {
    const bucket = Math.floor(Date.parse(CAPTURED.exec(text)?.[1] ?? "") / BUCKET_MS);
    if (Number.isNaN(bucket)) return;
    const emotion = EMOTIONS.indexOf(EMOTION.exec(text)?.[1] as (typeof EMOTIONS)[number]);
    let buckets = this.cameras.get(cameraId);
    if (!buckets) this.cameras.set(cameraId, (buckets = new Map()));
    let counts = buckets.get(bucket);
    if (!counts) {
      buckets.set(bucket, (counts = new Uint16Array(EMOTIONS.length + 1)));
      const oldest = buckets.keys().next().value!;
      if (oldest < bucket - KEPT_MS / BUCKET_MS) buckets.delete(oldest);
    }
    counts[emotion < 0 ? EMOTIONS.length : emotion]!++;
  }
}
