/** One camera's faces over time: a bar for each while, parted by emotion; and in words for screen readers. */

import { type Bucket, activityWords, total } from "../activity";
import { EMOTIONS } from "../api";
import { setAttribute } from "../dom";
import { cleared } from "../faces/draw_face";
import { colours } from "../theme";

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
