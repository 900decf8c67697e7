/**
 * With `?measure` in the page's address: a mark in the browser's timeline for each face that is on the screen, with the
 * time of its picture. `mien bench live` reads them.
 */

const MARK = "mien-face";
const isMeasured = new URLSearchParams(location.search).has("measure");
let drawn: string[] = [];

/** Called where a face is drawn. It is on the screen, at the latest, when the browser asks for the next picture. */
export function tellDrawn(capturedAt: string): void {
  if (!isMeasured) return;
  if (drawn.length === 0) {
    requestAnimationFrame(() => {
      for (const detail of drawn) performance.mark(MARK, { detail });
      drawn = [];
    });
  }
  drawn.push(capturedAt);
}
