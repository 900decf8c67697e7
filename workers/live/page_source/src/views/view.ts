/** What main.ts asks of a view. */

import type { LandmarkSet } from "../faces/landmark_set";
import type { LiveState } from "../live_state";
import type { Me } from "../api";
import type { Pictures } from "../pictures";

export interface Context {
  me: Me;
  live: LiveState;
  landmarkSet: LandmarkSet;
  pictures: Pictures;
  /** Says something to everybody, screen readers too. */
  say(text: string): void;
}

export interface View {
  title: string;
  element: HTMLElement;
  /** At most once for each picture of the screen. */
  frame?(now_ms: number): void;
  key?(event: KeyboardEvent): void;
  close?(): void;
}

/** `#/subject/ID?x=y` → ["subject", "ID"] and its parameters. */
export function readHash(): { path: string[]; parameters: URLSearchParams } {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { path: path.split("/").filter(Boolean).map(decodeURIComponent), parameters: new URLSearchParams(query) };
}

/** Writes parameters into the address without a step in the history. */
export function writeParameters(parameters: URLSearchParams): void {
  const path = location.hash.split("?")[0] || "#/wall";
  const query = parameters.toString();
  history.replaceState(null, "", query ? `${path}?${query}` : path);
}

export function subjectHash(subjectId: string, at?: string): string {
  return `#/subject/${encodeURIComponent(subjectId)}${at ? `?at=${encodeURIComponent(at)}` : ""}`;
}

export function cameraHash(cameraId: string): string {
  return `#/camera/${encodeURIComponent(cameraId)}`;
}
