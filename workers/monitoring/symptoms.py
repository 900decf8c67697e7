"""Alerts on what is amiss for who uses Mien, each named after it."""

from typing import Final

from streams.messages.frame_message import PROBE_CAMERA
from workers.monitoring.prometheus_rules import (
    JOB,
    KNOWN_FOR,
    STAGES,
    Alert,
    Group,
    Severity,
    promql,
)

_NAMED: Final = '{__name__=~"mien_emotions_total|mien_abstentions_total"}'
"""All emotion events: a regular expression, for either may not have come yet."""


def _missing(stage: str) -> str:
    """The Miens of which no worker of this stage answers: there is none, or there is none to be reached."""
    return promql(f"""
        label_replace(
          group by (cluster, namespace) (last_over_time(up{{job="{JOB}"}}[{KNOWN_FOR}]))
          unless on (cluster, namespace) (up{{job="{JOB}", component="{stage}"}} == 1),
          "component", "{stage}", "", ""
        )
    """)


def _stalled(stage: str, gets: str, does: str) -> str:
    """The Miens whose stage gets work and finishes none."""
    return promql(f"""
        label_replace(
          sum by (cluster, namespace) (rate({gets}[5m])) > 0
          unless on (cluster, namespace) sum by (cluster, namespace) (rate({does}[5m])) > 0,
          "component", "{stage}", "", ""
        )
    """)


def _untrue(state: str, name: str, lasts: str, severity: Severity, summary: str, meaning: str) -> Alert:
    return Alert(
        f"MienCamera{name}",
        "max by (cluster, namespace, camera) "
        f'(mien_camera_state{{camera!="{PROBE_CAMERA}", state="{state}"}}) == 1',
        lasts,
        severity,
        f"Camera {{{{ $labels.camera }}}} {summary}.",
        meaning,
    )


_PRESENT: Final = Group(
    "mien-presence",
    (
        Alert(
            "MienCameraDown",
            promql(f"""
                min by (cluster, namespace, camera) (mien_camera_up{{camera!="{PROBE_CAMERA}"}}) == 0
                or max by (cluster, namespace, camera) (
                  mien_camera_state{{camera!="{PROBE_CAMERA}", state="lost"}}
                ) == 1
                or (0 * mien:camera_known unless on (cluster, namespace, camera) mien_camera_up)
            """),
            "1m",
            "warning",
            "Camera {{ $labels.camera }} gives no pictures.",
            "Camera {{ $labels.camera }} has given no picture for a minute: its source is lost, or its "
            "process is. Nobody in front of it is seen.",
        ),
        Alert(
            "MienStageDown",
            f'up{{job="{JOB}"}} == 0',
            "2m",
            "critical",
            "A process of stage {{ $labels.component }} does not answer.",
            "{{ $labels.instance }} ({{ $labels.component }}) has not answered a scrape for two minutes. "
            "Other workers of the stage take its share, if there are any; a camera has none.",
        ),
        Alert(
            "MienStageMissing",
            "\nor ".join(
                [
                    *map(_missing, STAGES),
                    # No Mien at all: there is no namespace that could be named.
                    promql(f"""
                        label_replace(
                          absent(last_over_time(up{{job="{JOB}"}}[{KNOWN_FOR}])),
                          "component", "any stage", "", ""
                        )
                    """),
                ]
            ),
            "5m",
            "critical",
            "No worker of {{ $labels.component }} answers.",
            "For five minutes Prometheus has known no worker of {{ $labels.component }}, or reached none of "
            "them, so the chain is cut there.",
        ),
    ),
)

_CAMERA_TRUTH: Final = Group(
    "mien-camera-truth",
    (
        _untrue(
            "frozen",
            "Frozen",
            "1m",
            "warning",
            "shows the same picture again and again",
            "The pictures come, but nothing in them changes. Nobody in front of the camera is seen.",
        ),
        _untrue(
            "dark",
            "Dark",
            "10m",
            "info",
            "shows next to nothing for want of light",
            "It has been too dark for ten minutes to see a face.",
        ),
        _untrue(
            "covered",
            "Covered",
            "1m",
            "critical",
            "is covered",
            "Something stands or hangs right before the lens, by chance or on purpose.",
        ),
        _untrue(
            "blurred",
            "Blurred",
            "10m",
            "warning",
            "is out of focus",
            "For ten minutes nothing in its pictures has been sharp enough to read a face.",
        ),
        _untrue(
            "moved",
            "Moved",
            "1m",
            "warning",
            "looks elsewhere than before",
            "Somebody has turned or moved it. It may not see any more what it is there for.",
        ),
        _untrue(
            "clock-off",
            "ClockOff",
            "5m",
            "warning",
            "has a wrong clock",
            "Its times of capture cannot be true, so ages, drops and the order of events are not either.",
        ),
    ),
)

_WORKING: Final = Group(
    "mien-work",
    (
        Alert(
            "MienStageStalled",
            "\nor ".join(
                [
                    _stalled(
                        "landmarks",
                        'mien_frames_total{stage="camera", outcome="published"}',
                        'mien_frames_total{stage="landmarks"}',
                    ),
                    _stalled("classify", "mien_faces_total", _NAMED),
                    _stalled("state", _NAMED, "mien_state_events_total"),
                    _stalled("alerts", _NAMED, 'mien_stage_duration_seconds_count{stage="alerts"}'),
                ]
            ),
            "5m",
            "critical",
            "Stage {{ $labels.component }} does nothing, though it has work.",
            "The stage before {{ $labels.component }} has delivered for five minutes, and "
            "{{ $labels.component }} has finished nothing.",
        ),
        Alert(
            "MienWorkerStuck",
            "mien_worker_silent_seconds > 60",
            "1m",
            "critical",
            "A worker of stage {{ $labels.stage }} has work in hand and finishes none.",
            "{{ $labels.instance }} has finished nothing for {{ $value | humanizeDuration }}, though it has "
            "work. Its partitions stand still; no other worker takes them while it lives.",
        ),
        Alert(
            "MienNearMaximum",
            "avg by (cluster, namespace, stage) (rate(mien_worker_busy_seconds_total[10m])) > 0.85",
            "15m",
            "warning",
            "Stage {{ $labels.stage }} is near the most that it can do.",
            "Its workers have been busy for {{ $value | humanizePercentage }} of the last ten minutes on "
            "average. A little more work, or one worker less, and frames come late.",
        ),
    ),
)

_IN_TIME: Final = Group(
    "mien-time",
    (
        Alert(
            "MienFramesArriveLate",
            promql("""
                histogram_quantile(
                  0.99, sum by (cluster, namespace, stage, le) (rate(mien_frame_age_seconds_bucket[5m]))
                ) > 1
            """),
            "5m",
            "warning",
            "Frames are over a second old when {{ $labels.stage }} is done with them.",
            "One frame in a hundred is {{ $value | humanizeDuration }} old or older after "
            "{{ $labels.stage }} (normal: below 250 ms).",
        ),
        Alert(
            "MienFramesDropped",
            promql("""
                sum by (cluster, namespace, stage) (
                  rate(mien_frames_total{outcome=~"stale|superseded|undelivered|thinned"}[5m])
                )
                / sum by (cluster, namespace, stage) (rate(mien_frames_total[5m])) > 0.05
            """),
            "5m",
            "warning",
            "Stage {{ $labels.stage }} drops {{ $value | humanizePercentage }} of the frames.",
            "Live frames that come too late, or are more than can be done, are dropped rather than worked "
            "on. More than one in twenty means that there is too little capacity behind {{ $labels.stage }}.",
        ),
        Alert(
            "MienLagGrows",
            promql("""
                sum by (cluster, namespace, topic) (mien_consumer_lag) > 500
                and deriv(sum by (cluster, namespace, topic) (mien_consumer_lag)[10m:30s]) > 0
            """),
            "10m",
            "warning",
            "More and more messages wait in {{ $labels.topic }}.",
            "{{ $value | humanize }} messages wait in {{ $labels.topic }}, and the number has been growing "
            "for ten minutes: the stage that reads it is slower than the one that writes it.",
        ),
    ),
)

_RIGHT: Final = Group(
    "mien-truth",
    (
        Alert(
            "MienExplanationIncomplete",
            promql("""
                1 - sum by (cluster, namespace) (rate(mien_completeness_error_bucket{le="0.001"}[10m]))
                / sum by (cluster, namespace) (rate(mien_completeness_error_count[10m])) > 0.001
            """),
            "5m",
            "critical",
            "Explanations do not add up to the change of score.",
            "In {{ $value | humanizePercentage }} of the events the attributions miss the change of score by "
            "more than 0.001 logits (normal: below 1e-4). Such explanations must not be relied on.",
        ),
        Alert(
            "MienDeadLetters",
            "sum by (cluster, namespace, stage, reason) (increase(mien_dead_letters_total[10m])) > 0",
            "1m",
            "warning",
            "Stage {{ $labels.stage }} refuses messages ({{ $labels.reason }}).",
            "About {{ $value | humanize }} messages in ten minutes could not be used by {{ $labels.stage }} "
            "and lie in the dead-letters topic.",
        ),
        Alert(
            "MienMostlyAbstains",
            promql("""
                sum by (cluster, namespace, camera) (rate(mien_abstentions_total[15m]))
                / (
                  sum by (cluster, namespace, camera) (rate(mien_abstentions_total[15m]))
                  + (
                    sum by (cluster, namespace, camera) (rate(mien_emotions_total[15m]))
                    or 0 * sum by (cluster, namespace, camera) (rate(mien_abstentions_total[15m]))
                  )
                ) > 0.9
            """),
            "15m",
            "info",
            "Hardly any face on camera {{ $labels.camera }} can be read.",
            "{{ $value | humanizePercentage }} of the events of camera {{ $labels.camera }} name no emotion. "
            "The faces are small, turned away or blurred, or the model is unsure.",
        ),
        # Not `emotion_mix` and `own_baseline`: they are what people do before the cameras.
        Alert(
            "MienAnswersDrift",
            promql("""
                abs(
                  mien:model_ratio:1h{measure=~"confidence|region_share|abstention"}
                  - on (cluster, namespace, measure, value) group_left
                  max by (cluster, namespace, measure, value) (mien_reference_ratio)
                ) > 0.15
                and on (cluster, namespace)
                sum by (cluster, namespace) (increase(mien_confidence_count[1h])) > 1000
            """),
            "1h",
            "info",
            "The model answers otherwise than its card leads one to expect ({{ $labels.measure }}).",
            "Over an hour {{ $labels.measure }} of {{ $labels.value }} has been "
            "{{ $value | humanizePercentage }} away from the reference: other faces, another light or place "
            "of cameras, or another model.",
        ),
    ),
)

_PROBE: Final = Group(
    "mien-probe",
    (
        Alert(
            "MienProbeSilent",
            promql(f"""
                group by (cluster, namespace) (
                  last_over_time(mien_probe_frames_total{{component="probe"}}[{KNOWN_FOR}])
                )
                unless on (cluster, namespace)
                sum by (cluster, namespace) (rate(mien_probe_frames_total{{component="probe"}}[5m])) > 0
            """),
            "5m",
            "warning",
            "The truth probe sends nothing.",
            "For ten minutes no scripted face has gone through the chain, so nobody checks whether it "
            "answers.",
        ),
        Alert(
            "MienProbeMissing",
            promql("""
                sum by (cluster, namespace) (rate(mien_probe_events_total{outcome=~"missing|late"}[10m]))
                / sum by (cluster, namespace) (rate(mien_probe_events_total[10m])) > 0.2
            """),
            "5m",
            "critical",
            "The chain loses what the truth probe shows it.",
            "{{ $value | humanizePercentage }} of the probe's scripted expressions had no event in time over "
            "the last ten minutes. Real faces fare no better.",
        ),
        Alert(
            "MienProbeWrong",
            promql("""
                sum by (cluster, namespace) (rate(mien_probe_events_total{outcome="wrong"}[10m]))
                / sum by (cluster, namespace) (
                  rate(mien_probe_events_total{outcome=~"right|wrong"}[10m])
                ) > 0.5
            """),
            "5m",
            "critical",
            "The chain gives wrong answers to what the truth probe shows it.",
            "{{ $value | humanizePercentage }} of its answers to the probe's scripted expressions were wrong "
            "over the last ten minutes.",
        ),
    ),
)

_FACES: Final = Group(
    "mien-faces",
    (
        # A worker's series vanish when it restarts, and its alerts do not end by that: they count on.
        Alert(
            "MienEmotionAlert",
            promql("""
                sum by (cluster, namespace, rule, severity, camera) (
                  last_over_time(mien_alerts_active[2m])
                ) > 0
            """),
            "0s",
            None,
            "{{ $labels.rule }} on camera {{ $labels.camera }}.",
            "{{ $value | humanize }} alerts of rule {{ $labels.rule }} are firing on camera "
            "{{ $labels.camera }}. `mien alerts tail` shows them with their evidence.",
        ),
        Alert(
            "MienAlertRulesNotCurrent",
            # The component: every process exports a metric that has no labels, and other stages as 0.
            'min by (cluster, namespace) (mien_alert_rules_current{component="alerts"}) == 0',
            "2m",
            "warning",
            "The rules of alerts.yaml cannot be used; older ones are in force.",
            "The file was changed to something that is no set of rules. What it was meant to say does not "
            "hold yet.",
        ),
    ),
)

GROUPS: Final = (_PRESENT, _CAMERA_TRUTH, _WORKING, _IN_TIME, _RIGHT, _PROBE, _FACES)
