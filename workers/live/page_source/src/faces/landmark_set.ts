/** The points of a face: how they come, and which lines join them. */

import { ask, type LandmarkSetView } from "../api";

export interface LandmarkSet {
  id: string;
  regions: string[];
  edges: [number, number][];
  canonical: Float32Array;
}

export async function loadLandmarkSet(): Promise<LandmarkSet> {
  const view = await ask<LandmarkSetView>("/landmark-set");
  return { id: view.landmark_set, regions: view.regions, edges: view.edges, canonical: decodePoints(view.canonical) };
}

/** The lines of another model's points are not known: without them a face is drawn as its points alone. */
export function setOf(known: LandmarkSet, id: string): LandmarkSet {
  return id === known.id ? known : { ...known, edges: [] };
}

/** Base64 of little-endian float16 → numbers: x, y, z of each point in turn. */
export function decodePoints(base64: string): Float32Array {
  const bytes = atob(base64);
  const points = new Float32Array(bytes.length >> 1);
  for (let at = 0; at < points.length; at++) {
    points[at] = float16(bytes.charCodeAt(2 * at) | (bytes.charCodeAt(2 * at + 1) << 8));
  }
  return points;
}

/** IEEE 754 binary16, from its bits. */
export function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** points @ rotation.T: a face turned to the front → as the head is held. */
export function turned(points: Float32Array, rotation: readonly number[]): Float32Array {
  const result = new Float32Array(points.length);
  for (let at = 0; at + 2 < points.length; at += 3) {
    for (let axis = 0; axis < 3; axis++) {
      result[at + axis] =
        points[at]! * (rotation[3 * axis] ?? 0) +
        points[at + 1]! * (rotation[3 * axis + 1] ?? 0) +
        points[at + 2]! * (rotation[3 * axis + 2] ?? 0);
    }
  }
  return result;
}
