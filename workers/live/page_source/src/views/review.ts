/** Alerts, the newest first, and what people say of them. */

import { type Alert, EMOTIONS, type Listed, type Precision, type ReviewedAlert, type Verdict, type VerdictWord, ask } from "../api";
import { choice, debounced, h, setAttribute } from "../dom";
import { VERDICT_WORDS, capital, clock, seenBy } from "../words";
import { Evidence } from "./evidence";
import { precisionTables } from "./precision_table";
import { type Context, type View, readHash, writeParameters } from "./view";

const FILTERS = ["camera", "group", "rule", "severity", "state", "emotion", "verdict"] as const;
const KEYS: Record<string, VerdictWord> = { c: "confirmed", r: "rejected", u: "unsure" };
const RELOAD_MS = 500;

export function review(context: Context, [alertId]: string[]): View {
  const { live, me } = context;
  const mayJudge = me.role !== "viewer";
  const filters = new URLSearchParams([...readHash().parameters].filter(([name]) => (FILTERS as readonly string[]).includes(name)));
  const evidence = new Evidence(context);
  const marked = new Set<string>();
  let items: ReviewedAlert[] = [];
  let next: string | null = null;
  let currentId = alertId ?? "";
  let loading = 0;

  const list = h("ol", { class: "alerts", "aria-label": "Alerts, the newest first" });
  const status = h("p", { class: "quiet", role: "status" });
  const more = h("button", { type: "button", hidden: true, onclick: () => void load(true) }, "More");
  const precision = h("div", { class: "stack" });
  const buttons = Object.entries(KEYS).map(([key, word]) =>
    h("button", { type: "button", "data-verdict": word, onclick: () => void judge(word) }, `${VERDICT_WORDS[word].replace(/ed$/, "")} `, h("kbd", {}, key)));

  async function load(further = false): Promise<void> {
    const mine = ++loading;
    try {
      const page = await ask<Listed<ReviewedAlert>>(`/alerts?${filters}&limit=50${further && next ? `&cursor=${encodeURIComponent(next)}` : ""}`);
      if (mine !== loading) return;
      items = further ? [...items, ...page.items] : page.items;
      next = page.next;
      if (alertId && !items.some(({ alert }) => alert.alert_id === alertId)) {
        const asked = await ask<ReviewedAlert>(`/alerts/${encodeURIComponent(alertId)}`).catch(() => null);
        if (mine !== loading) return;
        if (asked) items = [asked, ...items]; // that which the address names, though it is older or filtered out
      }
      for (const id of marked) if (!items.some(({ alert }) => alert.alert_id === id)) marked.delete(id);
      write();
    } catch (error) {
      status.textContent = error instanceof Error ? error.message : String(error);
    }
  }
  async function loadPrecision(): Promise<void> {
    const asked = new URLSearchParams([...filters].filter(([name]) => name === "camera" || name === "group"));
    try {
      precision.replaceChildren(h("h2", {}, "How often alerts are right"), ...precisionTables(await ask<Precision>(`/precision?${asked}`)));
    } catch {
      // Kafka or the server is away: what is shown stays, and a verdict or the next visit asks again
    }
  }
  const reload = debounced(RELOAD_MS, () => { void load(); void loadPrecision(); });

  function write(): void {
    if (!items.some(({ alert }) => alert.alert_id === currentId)) currentId = items[0]?.alert.alert_id ?? "";
    const hadFocus = list.contains(document.activeElement);
    list.replaceChildren(...items.map(row));
    more.hidden = next === null;
    status.textContent = items.length ? `${items.length}${next ? " or more" : ""} alerts${marked.size ? `, ${marked.size} selected` : ""}` : "No alert of this kind. The stage alerts raises them, by its rules.";
    show(hadFocus);
  }
  function row({ alert, verdict, verdicts, opened }: ReviewedAlert): HTMLElement {
    const box = h("input", { type: "checkbox", checked: marked.has(alert.alert_id), "aria-label": `Select ${alert.rule} at ${alert.camera_id}, ${clock(Date.parse(alert.started_at))}`, onchange: () => mark(alert.alert_id) });
    return h("li", { class: "card alert", "data-alert": alert.alert_id, "data-severity": alert.severity, "data-verdict": verdict ?? "none", onclick: (event: Event) => event.target !== box && go(alert.alert_id) },
      mayJudge ? box : h("span"),
      h("div", {},
        h("div", { class: "row" },
          h("button", { type: "button", class: "pick", onclick: () => go(alert.alert_id) }, `${alert.rule}, ${alert.camera_id}`),
          h("span", { class: "quiet" }, `${clock(Date.parse(alert.started_at))} · ${alert.severity} · ${alert.state}`),
          h("span", { class: "verdict" }, verdict ? VERDICT_WORDS[verdict] : "Not reviewed")),
        h("p", {}, alert.summary),
        verdicts.length + opened.length > 0 && h("p", { class: "quiet" }, `Seen by ${seenBy(verdicts, opened)}`)));
  }
  function show(focus = false): void {
    for (const element of list.children) {
      const isCurrent = (element as HTMLElement).dataset["alert"] === currentId;
      setAttribute(element, "aria-current", isCurrent ? "true" : null);
      if (isCurrent && focus) (element.querySelector(".pick") as HTMLElement).focus();
    }
    for (const button of buttons) button.disabled = !currentId && !marked.size;
    const current = items.find(({ alert }) => alert.alert_id === currentId);
    if (current) void evidence.show(current.alert);
  }
  function go(id: string): void {
    currentId = id;
    show(true);
  }
  function step(by: number): void {
    const place = items.findIndex(({ alert }) => alert.alert_id === currentId);
    const to = items[Math.min(items.length - 1, Math.max(0, place + by))];
    if (to) go(to.alert.alert_id);
    if (by > 0 && place >= items.length - 2 && next) void load(true);
  }
  function mark(id: string): void {
    if (!marked.delete(id)) marked.add(id);
    write();
  }
  async function judge(word: VerdictWord): Promise<void> {
    if (!mayJudge) return context.say("Your role may look, and not judge.");
    const ids = marked.size ? [...marked] : currentId ? [currentId] : [];
    if (!ids.length) return;
    try {
      const given = await ask<{ items: Verdict[] }>("/verdicts", "POST", { alert_ids: ids, verdict: word });
      for (const verdict of given.items) take(verdict);
      context.say(`${VERDICT_WORDS[word]}: ${ids.length === 1 ? "one alert" : `${ids.length} alerts`}`);
      if (!marked.size) step(1);
      marked.clear();
      write();
      void loadPrecision();
    } catch (error) {
      context.say(`No verdict was taken. ${error instanceof Error ? error.message : ""}`);
    }
  }
  function take(verdict: Verdict): void {
    const at = items.findIndex(({ alert }) => alert.alert_id === verdict.alert_id);
    const known = items[at];
    if (!known || known.verdicts.some((one) => one.by === verdict.by && one.at === verdict.at)) return;
    const verdicts = [verdict, ...known.verdicts].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
    items[at] = { ...known, verdict: verdicts[0]!.verdict, verdicts };
  }
  function filter(name: (typeof FILTERS)[number], value: string): void {
    if (value) filters.set(name, value);
    else filters.delete(name);
    writeParameters(filters);
    void load();
    void loadPrecision();
  }
  const of = (name: (typeof FILTERS)[number], options: readonly string[], label = capital(name)): HTMLElement =>
    choice(label, [["", "all"], ...options.map((option) => [option, option === "none" ? "not reviewed" : option] as const)], filters.get(name) ?? "", (value) => filter(name, value));
  const rule = h("input", { type: "text", size: 14, value: filters.get("rule") ?? "", placeholder: "all", onchange: () => filter("rule", rule.value.trim()) });

  const listener = {
    alert: (_: Alert) => reload(),
    verdict: (verdict: Verdict) => { take(verdict); write(); reload(); },
  };
  live.listeners.add(listener);
  void load();
  void loadPrecision();

  return {
    title: "Review",
    element: h("div", {},
      h("div", { class: "controls", role: "group", "aria-label": "Filters" },
        of("camera", [...live.cameras.keys()].sort()), of("group", me.all_groups), h("label", {}, "Rule", rule), of("severity", ["info", "warning", "critical"]),
        of("state", ["firing", "resolved"]), of("emotion", EMOTIONS), of("verdict", ["none", "confirmed", "rejected", "unsure"])),
      h("div", { class: "review" },
        h("div", { class: "stack" },
          h("div", { class: "row" }, ...(mayJudge ? buttons : []), status,
            h("span", { class: "quiet" }, h("kbd", {}, "j"), " ", h("kbd", {}, "k"), " next, previous", ...(mayJudge ? [" ", h("kbd", {}, "x"), " select"] : []))),
          list, more),
        h("div", { class: "detail stack", tabindex: 0, role: "region", "aria-label": "Evidence and precision" }, h("section", { class: "card", "aria-label": "Evidence" }, evidence.element), h("section", { class: "card", "aria-label": "Precision" }, precision)))),
    frame: (now_ms) => evidence.frame(now_ms),
    key(event) {
      if (event.key === "j") step(1);
      else if (event.key === "k") step(-1);
      else if (event.key === "x" && currentId && mayJudge) mark(currentId);
      else if (KEYS[event.key]) void judge(KEYS[event.key]!);
      else return;
      event.preventDefault();
    },
    close: () => void live.listeners.delete(listener),
  };
}
