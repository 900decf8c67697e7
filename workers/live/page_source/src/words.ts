/** What the page says in words. */

import type { Baseline, CameraState, EmotionEvent, ReviewedAlert, Verdict, VerdictWord } from "./api";

const ABSTAINED: Record<NonNullable<EmotionEvent["abstained"]>, string> = {
  "low-confidence": "no emotion is likely enough",
  "small-face": "the face is too small",
  "extreme-pose": "the head is turned too far",
  blurred: "the face is blurred",
  "partial-face": "part of the face is out of the picture",
};

const STATES: Record<CameraState | "unknown", string> = {
  ok: "picture true",
  frozen: "picture frozen",
  dark: "picture dark",
  covered: "camera covered",
  blurred: "picture blurred",
  moved: "camera moved",
  lost: "camera lost",
  "clock-off": "camera's clock is off",
  unknown: "nothing is known of the picture",
};

export const VERDICT_WORDS: Record<VerdictWord, string> = { confirmed: "Confirmed", rejected: "Rejected", unsure: "Unsure" };

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** "Happiness, 92 %", or why there is no emotion. */
export function emotionWords(event: EmotionEvent): string {
  if (event.emotion) return `${capital(event.emotion)}, ${percent(event.confidence)}`;
  return `No answer: ${event.abstained ? abstainedWords(event.abstained) : "unknown why"}`;
}

/** Why an event gives no emotion: "the face is too small". */
export function abstainedWords(reason: string): string {
  return (ABSTAINED as Record<string, string>)[reason] ?? reason;
}

export function baselineWords(explanation: { baseline: Baseline }): string {
  return explanation.baseline === "subject" ? "compared with its own neutral face" : "compared with the population's neutral face";
}

export function stateWords(state: CameraState | "unknown"): string {
  return STATES[state];
}

/** "anna (confirmed), ben": each person's newest word, and who looked without one. */
export function seenBy(verdicts: readonly Verdict[], opened: ReviewedAlert["opened"]): string {
  const newest = new Map<string, string>();
  for (const { by, verdict, note } of verdicts) if (!newest.has(by)) newest.set(by, `${by} (${verdict}${note && `: ${note}`})`);
  for (const { by } of opened) if (!newest.has(by)) newest.set(by, by);
  return [...newest.values()].join(", ");
}

/** "0.4 s", "12 s", "3 min", "5 h", "2 d" */
export function age(seconds: number): string {
  if (seconds < 1) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** A local time of day; with the day where it is not today's. */
export function clock(at_ms: number, today_ms = Date.now()): string {
  const day = DAY.format(at_ms);
  return day === DAY.format(today_ms) ? CLOCK.format(at_ms) : `${day} ${CLOCK.format(at_ms)}`;
}
