"""Every Prometheus metric of every stage, defined once.

Names start with ``mien_`` and use base units; labels are bounded (`workers/metering/metrics_table.py` says
which there are, and their values). Never the subject: people come and go, series stay. Cameras beyond
`CAMERAS_MAX` share one label.
"""

import time
from functools import cache
from typing import Any, Final, Self

from prometheus_client import Counter, Gauge, Histogram

from streams import logs

_AGE_S = (
    0.005,
    0.01,
    0.02,
    0.03,
    0.05,
    0.075,
    0.1,
    0.15,
    0.2,
    0.25,
    0.35,
    0.5,
    0.75,
    1,
    1.5,
    2,
    3,
    5,
    10,
    30,
)
_DURATION_S = (
    0.0002,
    0.0005,
    0.001,
    0.002,
    0.003,
    0.005,
    0.0075,
    0.01,
    0.015,
    0.02,
    0.03,
    0.05,
    0.1,
    0.25,
    1,
    2.5,
    10,
)
_SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1)
_ERROR_LOGITS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1)

CAMERAS_MAX: Final = 1000
"""Cameras with series of their own in a process: who may write frames can make ids up without end."""
OTHER_CAMERAS: Final = "other"
"""The label of all further ones."""

log = logs.get("mien.metrics")
_cameras: set[str] = set()


def camera_label(camera_id: str) -> str:
    """The label that stands for a camera: its id, or ``other`` if too many have series already."""
    if camera_id in _cameras:
        return camera_id
    if len(_cameras) < CAMERAS_MAX:
        _cameras.add(camera_id)
        return camera_id
    if OTHER_CAMERAS not in _cameras:
        _cameras.add(OTHER_CAMERAS)  # so that this is said once
        log.warning(
            "too many cameras: further ones are counted together", at_most=CAMERAS_MAX, as_=OTHER_CAMERAS
        )
    return OTHER_CAMERAS


class _OfCameras:
    """Mixed into a metric with the label ``camera``: bounds its series, whoever counts."""

    def __init__(self, name: str, documentation: str, labelnames: Any = (), **options: Any) -> None:
        super().__init__(name, documentation, labelnames, **options)  # type: ignore[call-arg]
        self._camera_at = list(labelnames).index("camera")

    def labels(self, *values: object, **by_name: object) -> Self:
        if by_name:
            by_name["camera"] = camera_label(str(by_name["camera"]))
        else:
            at = self._camera_at
            values = (*values[:at], camera_label(str(values[at])), *values[at + 1 :])
        labelled: Self = super().labels(*values, **by_name)  # type: ignore[misc]
        return labelled


class _CameraCounter(_OfCameras, Counter):
    pass


class _CameraGauge(_OfCameras, Gauge):
    pass


frame_age_seconds = Histogram(
    "mien_frame_age_seconds",
    "Time since the capture of a live frame when a stage is done with it.",
    ["stage"],
    buckets=_AGE_S,
)


def observe_frame_age(stage: str, captured_at_us: int, source: str, trace_id: str | None = None) -> None:
    """Now minus the capture. A camera whose clock runs ahead counts as fresh: an age is never negative.

    The trace's id, of a frame that is recorded, stands as an exemplar beside the age.

    A file's frames have no age: their times are those of the file's playing.
    """
    if source == "file":
        return
    exemplar = {"trace_id": trace_id} if trace_id else None
    _frame_age(stage).observe(max(0.0, time.time() - captured_at_us / 1e6), exemplar)


@cache
def _frame_age(stage: str) -> Histogram:
    """Looked up once: it is asked for with every face."""
    return frame_age_seconds.labels(stage)


stage_duration_seconds = Histogram(
    "mien_stage_duration_seconds",
    "Time that one step of a stage takes.",
    ["stage", "step"],
    buckets=_DURATION_S,
)
frames_total = _CameraCounter(
    "mien_frames_total", "Frames by what became of them in a stage.", ["stage", "camera", "outcome"]
)
overlapping_frames_total = _CameraCounter(
    "mien_overlapping_frames_total",
    "Frames of a camera's run that came between those of another run: two producers have one camera id.",
    ["camera"],
)
faces_total = _CameraCounter("mien_faces_total", "Faces found.", ["camera"])
emotions_total = _CameraCounter(
    "mien_emotions_total", "Emotion events that name an emotion.", ["camera", "emotion"]
)
abstentions_total = _CameraCounter(
    "mien_abstentions_total", "Emotion events that abstain.", ["camera", "reason"]
)
explaining_region_total = Counter(
    "mien_explaining_region_total",
    "Emotion events by the facial region with most attribution.",
    ["emotion", "region"],
)
baselines_total = _CameraCounter(
    "mien_baselines_total",
    "Emotion events by the neutral face they are compared with: the subject's own or the population's.",
    ["camera", "baseline"],
)
own_neutral_subjects = Gauge(
    "mien_own_neutral_subjects", "Subjects in this worker's memory whose own neutral face is known."
)
neutral_store_failures_total = Counter(
    "mien_neutral_store_failures_total",
    "Times that Redis did not take or give neutral faces in time.",
    ["operation"],
)
resumed_tracks_total = _CameraCounter(
    "mien_resumed_tracks_total", "Subjects taken over from another landmarks worker.", ["camera"]
)
hand_over_failures_total = Counter(
    "mien_hand_over_failures_total",
    "Times that Redis did not take or give the places of faces in time.",
    ["operation"],
)
completeness_error = Histogram(
    "mien_completeness_error",
    "Sum of attributions minus change of score, absolute, in logits.",
    buckets=_ERROR_LOGITS,
)
batch_size = Histogram("mien_batch_size", "Faces classified at once.", buckets=(1, 2, 4, 8, 16, 32, 64, 128))
state_events_total = _CameraCounter(
    "mien_state_events_total", "Emotion events by what became of them in the state.", ["camera", "outcome"]
)
state_rebuilds_total = Counter(
    "mien_state_rebuilds_total",
    "Times that this worker made the state again from the log: Redis had none, or had lost of it.",
)
active_subjects = _CameraGauge("mien_active_subjects", "Subjects seen in the last seconds.", ["camera"])
alerts_total = Counter("mien_alerts_total", "Alerts sent, by what they say.", ["rule", "severity", "state"])
alerts_active = _CameraGauge(
    "mien_alerts_active",
    "Alerts that are firing, of this worker's share.",
    ["rule", "severity", "camera"],
)
alert_rules = Gauge("mien_alert_rules", "Alert rules in force.")
alert_rules_current = Gauge(
    "mien_alert_rules_current",
    "1 while the rules in force are those of the file; 0: the file cannot be used, so older ones are.",
)
live_clients = Gauge("mien_live_clients", "Open streams of events.")
live_events_total = Counter(
    "mien_live_events_total",
    "Events for open streams, by what became of them: sent, or skipped since the client was slow.",
    ["outcome"],
)
verdicts_total = Counter("mien_verdicts_total", "Verdicts on alerts that this process took.", ["verdict"])
alert_precision = Gauge(
    "mien_alert_precision",
    "Share of a rule's reviewed alerts that people confirmed, of those confirmed or rejected.",
    ["rule"],
)
alert_precision_bound = Gauge(
    "mien_alert_precision_bound",
    "The 95 % interval of mien_alert_precision (Wilson's), by its ends.",
    ["rule", "bound"],
)
alerts_unreviewed = Gauge("mien_alerts_unreviewed", "Alerts on faces that Kafka has and nobody judged.")
consumer_lag = Gauge("mien_consumer_lag", "Messages that wait in a partition.", ["topic", "partition"])
dead_letters_total = Counter("mien_dead_letters_total", "Messages that a stage refused.", ["stage", "reason"])
probe_frames_total = Counter("mien_probe_frames_total", "Frames that the probe sent.")
probe_events_total = Counter(
    "mien_probe_events_total",
    "The probe's frames by what became of them: right, wrong, abstained, late or missing.",
    ["outcome"],
)
probe_latency_seconds = Histogram(
    "mien_probe_latency_seconds",
    "Time from the capture of a probe's frame until its event is in mien.emotions, and its state in Redis.",
    ["until"],
    buckets=_AGE_S,
)
probe_last_right_timestamp_seconds = Gauge(
    "mien_probe_last_right_timestamp_seconds", "When a probe's frame was answered rightly last."
)
camera_up = _CameraGauge("mien_camera_up", "1 while the camera gives pictures.", ["camera"])
camera_unchanged_seconds = _CameraGauge(
    "mien_camera_unchanged_seconds",
    "Seconds since a live camera's picture was another than those before.",
    ["camera"],
)
camera_reconnects_total = _CameraCounter(
    "mien_camera_reconnects_total", "Attempts to open a lost camera again.", ["camera"]
)
camera_state = _CameraGauge(
    "mien_camera_state", "1 for what is true of a live camera now, 0 for all else.", ["camera", "state"]
)
camera_measure = _CameraGauge(
    "mien_camera_measure", "What the state of a camera rests on: see docs/cameras.md.", ["camera", "measure"]
)
camera_clock_offset_seconds = _CameraGauge(
    "mien_camera_clock_offset_seconds",
    "By how much a camera's clock is ahead of Kafka's, beyond what the way between them explains.",
    ["camera"],
)
camera_process = _CameraGauge(
    "mien_camera_process",
    "1 for how a camera's process is under `mien cameras`, 0 for all else.",
    ["camera", "state"],
)
camera_restarts_total = _CameraCounter(
    "mien_camera_restarts_total", "Times that a camera's process was started again.", ["camera"]
)
camera_list_current = Gauge(
    "mien_camera_list_current",
    "1 while the cameras in force are those of the file; 0: the file cannot be used, so older ones are.",
)
model_info = Gauge("mien_model_info", "1 for the model in use.", ["name", "version", "landmark_set"])
worker_silent_seconds = Gauge(  # before the next one: reading it brings that up to date
    "mien_worker_silent_seconds",
    "Seconds since a worker that has work in hand took it up or finished some of it; 0 while it has none.",
    ["stage"],
)
worker_busy_seconds_total = Counter(
    "mien_worker_busy_seconds_total", "Time in which a worker had work in hand.", ["stage"]
)
assigned_partitions = Gauge(
    "mien_assigned_partitions", "Partitions of its topic that this worker reads now.", ["topic"]
)
topic_partitions = Gauge(
    "mien_topic_partitions",
    "Partitions that the topic has: so many workers of a stage can share it.",
    ["topic"],
)


def observe_partitions(topic: str, *, assigned: int, existing: int) -> None:
    """Says how many partitions of its topic a worker has, of how many."""
    assigned_partitions.labels(topic).set(assigned)
    topic_partitions.labels(topic).set(existing)


confidence = Histogram(
    "mien_confidence",
    "Confidence of the answers for faces whose picture is good enough, also where it is too low to answer.",
    ["baseline"],
    buckets=_SHARES,
)
region_share_total = Counter(
    "mien_region_share_total",
    "Sum over emotion events of each facial region's share of the absolute attribution; 1 an event.",
    ["region"],
)
reference_ratio = Gauge(
    "mien_reference_ratio",
    "What the model's answers were on the faces that its card tells of: the mean or the share of a value.",
    ["measure", "value"],
)
