"""`mien metrics`: every metric with its labels, their values and who exports it; and docs/metrics.md.

`EXPORTED` is the table of what a label may be: no metric has another label, and none of them can have values
without end.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, get_args

import msgspec
from prometheus_client import Counter, Gauge, Histogram
from rich.console import Console
from rich.table import Column, Table

from models.faces.canonical import COARSE_REGIONS
from models.faces.pictures import RefusedReason
from streams import metrics
from streams.messages.alert import AlertState, Severity
from streams.messages.camera_truth import CAMERA_STATES
from streams.messages.emotion_event import EMOTIONS, Abstention
from streams.messages.verdict import VERDICTS

Values = tuple[str, ...] | str
"""All values of a label, or in words what bounds them."""

CAMERA, LANDMARKS, CLASSIFY, STATE, ALERTS = STAGES = ("camera", "landmarks", "classify", "state", "alerts")
LIVE: Final = "live"
PROBE: Final = "probe"
"""`mien probe`: it exports what it sees, and of itself nothing that stages do."""
FLEET: Final = "cameras"
"""`mien cameras`: beside its own metrics it passes on those of its cameras' processes."""
READERS: Final = STAGES[1:]
"""Stages that read from Kafka."""

CAMERAS: Final = f"camera ids; `{metrics.OTHER_CAMERAS}` for those beyond {metrics.CAMERAS_MAX:,}"
RULES: Final = "the rules of alerts.yaml"
TOPIC: Final = "the topic that the stage reads"
PARTITIONS: Final = "numbers of its partitions"
MODEL: Final = "of the model in use"
BOUNDED_IN_WORDS: Final = {CAMERAS, RULES, TOPIC, PARTITIONS, MODEL}
"""By a cap, by what an operator has written, or by what one process reads or loads."""

_BASELINES: Final = ("subject", "population")
_PICTURE_REASONS: Final[tuple[str, ...]] = get_args(RefusedReason)
_ABSTENTIONS: Final[tuple[str, ...]] = get_args(Abstention)
_OPERATIONS: Final = ("read", "write")
CAMERA_PROCESS_STATES: Final = ("starting", "up", "down", "restarting", "ended")
MEASURES: Final = (
    *("brightness", "contrast", "structure", "sharpness"),
    *("likeness", "unchanged_s", "clock_offset_s"),
)

STEPS: Final[Mapping[str, Mapping[str, str]]] = {
    CAMERA: {
        "read": "until the source gives a picture: of a live camera mostly waiting, of a file decoding",
        "encode": "a picture that is no ready JPEG is scaled and encoded",
        "deliver": "until Kafka has the frame, or with `MIEN_FRAMES=none` its faces",
    },
    LANDMARKS: {
        "fetch": "waiting for the next messages from Kafka: time to spare",
        "hand-over": "asking Redis for faces that another worker left; a known camera has none",
        "decode": "JPEG to picture",
        "faces": "finding and following faces, and their mesh",
        "align": "the points in the frame of the canonical face, pose and quality",
        "deliver": "until Kafka has the last faces of a batch",
    },
    CLASSIFY: {
        "fetch": "as above",
        "decode": "reading and checking the messages of a batch",
        "baselines": "the subjects' own neutral faces, those not known yet from Redis",
        "classify": "the network, with its attributions",
        "explain": "attributions in words, and the events",
        "learn": "neutral faces",
        "deliver": "encoding the events, and until Kafka has all of a batch",
    },
    STATE: {
        "fetch": "as above",
        "decode": "reading the events of a batch",
        "redis": "the state of all subjects of a batch",
    },
    ALERTS: {
        "fetch": "as above",
        "decode": "reading the events of a batch",
        "redis": "reading what was known of the subjects, and writing it",
        "decide": "the rules",
        "deliver": "claiming alerts, and until Kafka has them",
    },
}
"""Where time goes: the steps of each stage, in their order."""

_ALL_STEPS: Final = tuple(dict.fromkeys(step for steps in STEPS.values() for step in steps))


class Exported(NamedTuple):
    """Who exports a metric, and what its labels may be, in their order."""

    stages: Sequence[str]
    labels: Mapping[str, Values] = {}


EXPORTED: Final[Mapping[str, Exported]] = {
    "frame_age_seconds": Exported(STAGES, {"stage": STAGES}),
    "stage_duration_seconds": Exported(STAGES, {"stage": STAGES, "step": _ALL_STEPS}),
    "frames_total": Exported(
        (CAMERA, LANDMARKS),
        {
            "stage": (CAMERA, LANDMARKS),
            "camera": CAMERAS,
            "outcome": (
                *("published", "superseded", "skipped", "frozen", "undelivered"),
                *("faces", "no-face", "stale", "thinned"),
                *(*_PICTURE_REASONS, "unreadable", "bad-message", "internal-error"),
            ),
        },
    ),
    "overlapping_frames_total": Exported((LANDMARKS,), {"camera": CAMERAS}),
    "faces_total": Exported((LANDMARKS,), {"camera": CAMERAS}),
    "emotions_total": Exported((CLASSIFY,), {"camera": CAMERAS, "emotion": EMOTIONS}),
    "abstentions_total": Exported((CLASSIFY,), {"camera": CAMERAS, "reason": _ABSTENTIONS}),
    "explaining_region_total": Exported((CLASSIFY,), {"emotion": EMOTIONS, "region": COARSE_REGIONS}),
    "baselines_total": Exported((CLASSIFY,), {"camera": CAMERAS, "baseline": _BASELINES}),
    "own_neutral_subjects": Exported((CLASSIFY,)),
    "neutral_store_failures_total": Exported((CLASSIFY,), {"operation": _OPERATIONS}),
    "resumed_tracks_total": Exported((LANDMARKS,), {"camera": CAMERAS}),
    "hand_over_failures_total": Exported((LANDMARKS,), {"operation": _OPERATIONS}),
    "completeness_error": Exported((CLASSIFY,)),
    "batch_size": Exported((CLASSIFY,)),
    "state_events_total": Exported((STATE,), {"camera": CAMERAS, "outcome": ("applied", "fenced")}),
    "state_rebuilds_total": Exported((STATE,)),
    "active_subjects": Exported((STATE,), {"camera": CAMERAS}),
    "alerts_total": Exported(
        (ALERTS,), {"rule": RULES, "severity": get_args(Severity), "state": get_args(AlertState)}
    ),
    "alerts_active": Exported((ALERTS,), {"rule": RULES, "severity": get_args(Severity), "camera": CAMERAS}),
    "alert_rules": Exported((ALERTS,)),
    "alert_rules_current": Exported((ALERTS,)),
    "live_clients": Exported((LIVE,)),
    "live_events_total": Exported((LIVE,), {"outcome": ("sent", "skipped")}),
    "verdicts_total": Exported((LIVE,), {"verdict": VERDICTS}),
    "alert_precision": Exported((LIVE,), {"rule": RULES}),
    "alert_precision_bound": Exported((LIVE,), {"rule": RULES, "bound": ("low", "high")}),
    "alerts_unreviewed": Exported((LIVE,)),
    "consumer_lag": Exported(READERS, {"topic": TOPIC, "partition": PARTITIONS}),
    "dead_letters_total": Exported(
        READERS,
        {
            "stage": READERS,
            "reason": (
                *(*_PICTURE_REASONS, "bad-message", "wrong-landmark-set"),
                *("foreign-redis-key", "internal-error"),
            ),
        },
    ),
    "camera_up": Exported((CAMERA,), {"camera": CAMERAS}),
    "camera_unchanged_seconds": Exported((CAMERA,), {"camera": CAMERAS}),
    "camera_reconnects_total": Exported((CAMERA,), {"camera": CAMERAS}),
    "camera_state": Exported((CAMERA,), {"camera": CAMERAS, "state": CAMERA_STATES}),
    "camera_measure": Exported((CAMERA,), {"camera": CAMERAS, "measure": MEASURES}),
    "camera_clock_offset_seconds": Exported((CAMERA,), {"camera": CAMERAS}),
    "camera_process": Exported((FLEET,), {"camera": CAMERAS, "state": CAMERA_PROCESS_STATES}),
    "camera_restarts_total": Exported((FLEET,), {"camera": CAMERAS}),
    "camera_list_current": Exported((FLEET,)),
    "model_info": Exported((CLASSIFY,), dict.fromkeys(("name", "version", "landmark_set"), MODEL)),
    "probe_frames_total": Exported((PROBE,)),
    "probe_events_total": Exported((PROBE,), {"outcome": ("right", "wrong", "abstained", "late", "missing")}),
    "probe_latency_seconds": Exported((PROBE,), {"until": ("emotions", "state")}),
    "probe_last_right_timestamp_seconds": Exported((PROBE,)),
    "worker_silent_seconds": Exported(STAGES, {"stage": STAGES}),
    "worker_busy_seconds_total": Exported(STAGES, {"stage": STAGES}),
    "assigned_partitions": Exported(READERS, {"topic": TOPIC}),
    "topic_partitions": Exported(READERS, {"topic": TOPIC}),
    "confidence": Exported((CLASSIFY,), {"baseline": _BASELINES}),
    "region_share_total": Exported((CLASSIFY,), {"region": COARSE_REGIONS}),
    "reference_ratio": Exported(
        (CLASSIFY,),
        {
            "measure": ("own_baseline", "confidence", "abstention", "emotion_mix", "region_share"),
            "value": (*_BASELINES, "low-confidence", *EMOTIONS, *COARSE_REGIONS),
        },
    ),
}
"""By the name of the variable in `streams/metrics.py`: that of the metric without `mien_`."""

_QUESTIONS: Final = """\
## Which one answers what

| question | metrics |
| --- | --- |
| is each camera alive and true, and does it show something new? | `mien_camera_up`, `mien_camera_state`, \
`mien_camera_unchanged_seconds`, `mien_camera_reconnects_total` |
| does `mien cameras` keep its processes alive? | `mien_camera_process`, `mien_camera_restarts_total`, \
`mien_camera_list_current` |
| how fresh is what we see? | `mien_frame_age_seconds` by stage: of `state`, from capture to Redis |
| where does time go? | `mien_stage_duration_seconds`: its steps are below |
| what is dropped, and why? | `mien_frames_total` by outcome: all but `published`, `faces` and `no-face`; \
`mien_dead_letters_total` by reason; `mien_state_events_total{outcome="fenced"}` came twice, and is no loss |
| does the chain answer rightly, also while nobody is in view? | `mien_probe_events_total`, \
`mien_probe_latency_seconds`, `mien_probe_last_right_timestamp_seconds` |
| is a worker stuck? | `mien_worker_silent_seconds`: it grows while work is in hand and nothing of it gets \
done, also while a service is waited for, and while the event loop stands still |
| are we near the maximum? | the rate of `mien_worker_busy_seconds_total`: 1 is a worker that is never idle; \
`mien_consumer_lag`; `mien_assigned_partitions` against `mien_topic_partitions`: a worker with one partition \
cannot be relieved |
| do the answers drift? | `mien_confidence`, `mien_abstentions_total`, `mien_emotions_total`, \
`mien_region_share_total`, `mien_baselines_total`, each against `mien_reference_ratio`; \
`mien_completeness_error` |
| what do alerts say? | `mien_alerts_active`, `mien_alerts_total` by rule, `mien_alert_rules_current` |
| are alerts right? | `mien_alert_precision`, `mien_alert_precision_bound` by rule; `mien_verdicts_total` |
| are they judged? | `mien_alerts_unreviewed` |

`mien cameras` serves the metrics of all its cameras' processes as its own; where one of theirs has no label
`camera`, it gets one (`process_resident_memory_bytes{camera="lobby"}`).

With `MIEN_FRAMES=none` a camera exports what landmarks does, under that name of a stage.
"""

_REFERENCE: Final = """\
## The reference

`mien_reference_ratio` is what the model's answers were on the faces that its
[card](../models/artifacts/MODEL_CARD.md) tells of, at the operating points in force.
`mien export --reference` measured it, and `models/artifacts/reference.json` holds it; a model without that
file has no reference, and classify exports none.

| measure | value | compare with | measured as |
| --- | --- | --- | --- |
| `own_baseline` | `subject` | the share of `baseline="subject"` in `mien_baselines_total` | of the frames \
of people who are seen for two minutes, those that find the own neutral face known |
| `confidence` | the baseline | the mean of `mien_confidence` with that baseline | mean over the faces |
| `abstention` | `low-confidence` | that reason's share of `mien_confidence_count` | share of the faces; \
left out where `MIEN_MIN_CONFIDENCE` is set |
| `emotion_mix` | the emotion | its share in `mien_emotions_total` | share of the faces that get an answer |
| `region_share` | the region | its share in `mien_region_share_total` | mean over the faces |

All but the first two are of both networks, that for the population's neutral face and that for own ones,
mixed as `own_baseline` says: a stream's metrics do not tell which answered. With `MIEN_OWN_NEUTRAL=false`
they are the former's alone.

**What it is not.** The faces are photos and warped photos that somebody collected, with as many happy and
angry ones as there happened to be. Nobody can know which emotions your cameras see, so `emotion_mix` is no
expectation of a place; people in view of a camera are mostly neutral. A stream that differs from the
reference is not wrong. One that *moves away* from where it was, while the people stay the same, is worth a
look: at the light, the camera's place, the faces' size, or another model. Own limits, from a week of your
own, are better than these.
"""


class Row(msgspec.Struct, frozen=True):
    """A metric as it is told."""

    name: str
    type: str
    stages: list[str]
    labels: dict[str, Values]
    meaning: str


def rows() -> list[Row]:
    """Every metric that is defined, in the order of the file."""
    found = []
    for name, metric in vars(metrics).items():
        if isinstance(metric, Counter | Gauge | Histogram):
            (family,) = metric.describe()
            exported = EXPORTED[name]
            labels = dict(exported.labels)
            found.append(
                Row(f"mien_{name}", family.type, list(exported.stages), labels, family.documentation)
            )
    return found


def show(told: Sequence[Row], console: Console) -> None:
    """Prints a line for each metric."""
    table = Table(Column("metric", no_wrap=True), "type", "labels", "exported by", "meaning")
    for row in told:
        table.add_row(row.name, row.type, ", ".join(row.labels), ", ".join(row.stages), row.meaning)
    console.print(table)


def markdown() -> str:
    """`docs/metrics.md`."""
    lines = [
        f"| `{row.name}` | {row.type} | {_labels(row)} | {', '.join(row.stages)} | {row.meaning} |"
        for row in rows()
    ]
    steps = [
        f"| {stage} | `{step}` | {meaning} |"
        for stage, steps in STEPS.items()
        for step, meaning in steps.items()
    ]
    return "\n".join(
        (
            "# Metrics",
            "",
            "Every stage and camera serves these at `/metrics` (`MIEN_METRICS_HOST`, `MIEN_METRICS_PORT`). "
            "This page is written by `mien metrics --markdown`.",
            "",
            "No label has values without end, and none names a person. A counter of a process begins at 0 "
            "when it starts, so ask for rates. The probe's camera is `mien-probe`: leave it out of what is "
            "to tell of people.",
            "",
            _QUESTIONS,
            "## All metrics",
            "",
            "| metric | type | labels and their values | exported by | meaning |",
            "| --- | --- | --- | --- | --- |",
            *lines,
            "",
            "## Where time goes",
            "",
            "The steps of `mien_stage_duration_seconds`. A batch counts once in each; of landmarks, "
            "`hand-over`, `decode`, `faces` and `align` once a frame, and a frame is decoded while the one "
            "before it is searched.",
            "",
            "| stage | step | what |",
            "| --- | --- | --- |",
            *steps,
            "",
            _REFERENCE,
        )
    )


def _labels(row: Row) -> str:
    return "<br>".join(
        f"`{label}`: {values if isinstance(values, str) else ', '.join(f'`{value}`' for value in values)}"
        for label, values in row.labels.items()
    )
