/** How often alerts are right, from what people said. */

import type { Precision, PrecisionRow } from "../api";
import { h } from "../dom";
import { percent } from "../words";

export function precisionTables(precision: Precision): HTMLElement[] {
  const head = h("p", { class: "quiet" }, `${precision.reviewed} alerts reviewed; on ${precision.disagreed} people disagree. Intervals are Wilson's, 95 %.`);
  if (!precision.reviewed) return [h("p", { class: "quiet" }, "No alert has been reviewed yet.")];
  return [head, table("Rule", precision.by_rule), table("Camera", precision.by_camera), table("Emotion", precision.by_emotion)];
}

function table(what: string, rows: readonly PrecisionRow[]): HTMLElement {
  return h(
    "table",
    { "data-precision": what.toLowerCase() },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, what), h("th", { scope: "col", class: "number" }, "Right"), h("th", { scope: "col", class: "number" }, "Precision"), h("th", { scope: "col", class: "number" }, "Between"))),
    h("tbody", {}, ...rows.map((row) => h("tr", {},
      h("th", { scope: "row" }, row.name),
      h("td", { class: "number" }, `${row.confirmed} of ${row.confirmed + row.rejected}${row.unsure ? `, ${row.unsure} unsure` : ""}`),
      h("td", { class: "number" }, row.precision === null ? "–" : percent(row.precision)),
      h("td", { class: "number" }, `${percent(row.low)} – ${percent(row.high)}`)))),
  );
}
