/** What a tile says of its camera: pure, from ages and truth. */

import type { CameraState } from "./api";
import { age, capital, stateWords } from "./words";

const LOST_S = 90; // as SILENT_S of the server: three heartbeats
const STALE_S = 45; // one heartbeat is missed
const IDLE_S = 10;
const LATE_S = 5;

export type TileState = "live" | "stale" | Exclude<CameraState, "ok">;

export interface Known {
  state: CameraState | "unknown";
  truthAge_s: number | null;
  eventAge_s: number | null;
  /** From the picture to now, of the newest event that is drawn; null without any. */
  late_s: number | null;
  /** Since when the stream is broken; null while it is open. */
  away_s: number | null;
}

export function tileState(known: Known): TileState {
  const heard_s = Math.min(known.truthAge_s ?? Infinity, known.eventAge_s ?? Infinity);
  if (known.state === "lost" || (known.truthAge_s ?? 0) > LOST_S) return "lost";
  if (known.state !== "ok" && known.state !== "unknown") return known.state;
  if (heard_s > STALE_S || (known.away_s ?? 0) > LATE_S || (known.late_s ?? 0) > LATE_S) return "stale";
  return "live";
}

export function isIdle(known: Known): boolean {
  return (known.eventAge_s ?? Infinity) > IDLE_S;
}

/** "Is this live?" in words. */
export function liveWords(known: Known): string {
  const state = tileState(known);
  const parts = [known.eventAge_s === null ? "no face seen yet" : `last face ${age(known.eventAge_s)} ago`];
  if (known.late_s !== null && known.late_s > LATE_S) parts.push(`pictures come ${age(known.late_s)} late`);
  parts.push(known.truthAge_s === null ? stateWords(known.state) : `${stateWords(known.state)}, told ${age(known.truthAge_s)} ago`);
  if (known.away_s !== null) parts.push(`no connection for ${age(known.away_s)}`);
  return `${state === "live" ? "Live" : state === "stale" ? "Not live" : capital(stateWords(state))}: ${parts.join("; ")}`;
}
