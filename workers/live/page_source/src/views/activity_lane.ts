/** One camera's faces over time: a bar for each while, parted by emotion; in words for screen readers. */

import { type Bucket, total } from "../activity";
import { EMOTIONS } from "../api";
import { setAttribute } from "../dom";
import { cleared } from "../faces/draw_face";
import { colours } from "../theme";
import { clock, percent } from "../words";

const HIGH = 0.9; // of the lane

export function drawActivity(canvas: HTMLCanvasElement, buckets: readonly Bucket[], from_ms: number, to_ms: number): void {
  setAttribute(canvas, "aria-label", activityWords(buckets));
  const pencil = cleared(canvas);
  if (!pencil) return;
  const { emotions, line } = colours();
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const x = (at_ms: number): number => ((at_ms - from_ms) / (to_ms - from_ms)) * width;
  for (const bucket of buckets) {
    const left = x(bucket.at_ms);
    const wide = Math.max(1, x(bucket.at_ms + bucket.wide_ms) - left) + 0.5;
    const all = total(bucket);
    let y = height;
    bucket.counts.forEach((count, emotion) => {
      const high = (count / all) * height * HIGH;
      pencil.fillStyle = emotion < EMOTIONS.length ? emotions[emotion]! : line;
      pencil.fillRect(left, y - high, wide, high);
      y -= high;
    });
  }
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
