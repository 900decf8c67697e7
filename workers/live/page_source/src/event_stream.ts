/** The stream of events: one for the whole page, opened again whenever it breaks, where it was. */

import { API, ask } from "./api";

export type Connection = "connecting" | "open" | "reconnecting";
export type StreamEvent = "emotion" | "points" | "camera" | "alert" | "verdict" | "gap";

const KINDS = "emotions,points,cameras,alerts,verdicts";
const NAMES: readonly StreamEvent[] = ["emotion", "points", "camera", "alert", "verdict", "gap"];
const AGAIN_MS = 2000;

/** Tells every event's text to `take`, and how the connection is to `told`. Returns what ends it. */
export function openStream(take: (name: StreamEvent, text: string) => void, told: (connection: Connection) => void): () => void {
  let source: EventSource | null = null;
  let lastId = "";
  let ended = false;
  let again = 0;

  function open(): void {
    source = new EventSource(`${API}/events?kinds=${KINDS}${lastId && `&last_event_id=${encodeURIComponent(lastId)}`}`);
    for (const name of NAMES) {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        lastId = event.lastEventId || lastId;
        take(name, event.data);
      });
    }
    source.onopen = () => told("open");
    source.onerror = () => {
      told("reconnecting");
      // A browser comes back by itself after a broken connection, but not after an answer such as 429 or 502.
      if (source?.readyState === EventSource.CLOSED && !ended) {
        again = window.setTimeout(() => void ask("/me").then(open, () => !ended && source?.onerror?.(new Event("error"))), AGAIN_MS);
      }
    };
  }

  told("connecting");
  open();
  return () => {
    ended = true;
    clearTimeout(again);
    source?.close();
  };
}
