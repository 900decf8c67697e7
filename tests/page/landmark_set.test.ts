import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePoints, float16, setOf, turned } from "../../workers/live/page_source/src/faces/landmark_set";

test("half precision, by the table of IEEE 754", () => {
  const values: [number, number][] = [[0x0000, 0], [0x3c00, 1], [0xc000, -2], [0x7bff, 65504], [0x0400, 2 ** -14], [0x0001, 2 ** -24], [0x3555, 0.333251953125], [0x7c00, Infinity], [0xfc00, -Infinity]];
  for (const [bits, value] of values) assert.equal(float16(bits), value, bits.toString(16));
  assert.ok(Number.isNaN(float16(0x7e00)));
  assert.ok(Object.is(float16(0x8000), -0));
});

test("points are base64 of little-endian halves", () => {
  assert.deepEqual([...decodePoints("ADwAAADA")], [1, 0, -2]);
  assert.deepEqual([...decodePoints("")], []);
});

test("a head is turned by points @ rotation.T", () => {
  const quarter = [0, -1, 0, 1, 0, 0, 0, 0, 1]; // about the third axis: x goes to y
  assert.deepEqual([...turned(new Float32Array([1, 0, 5, 0, 1, 6]), quarter)], [0, 1, 5, -1, 0, 6]);
});

test("another model's points are drawn without lines", () => {
  const known = { id: "a", regions: ["mouth"], edges: [[0, 1]] as [number, number][], canonical: new Float32Array(3) };
  assert.equal(setOf(known, "a"), known);
  assert.deepEqual(setOf(known, "b").edges, []);
});
