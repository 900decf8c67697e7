"""The dashboard Wall: what the cameras see now, and whether that can be believed."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Row

from workers.dashboards import panels
from workers.dashboards.panels import About, Panel, Query
from workers.dashboards.promql import ALERTS_STAGE, of_cameras, or_zero, quantile, rate, sum_by

CAMERA_STATES: Final = {
    "ok": ("true", panels.GREEN),
    "frozen": ("frozen", panels.ORANGE),
    "dark": ("dark", "#4a4a6a"),
    "covered": ("covered", "purple"),
    "blurred": ("blurred", panels.YELLOW),
    "moved": ("moved", panels.BLUE),
    "lost": ("lost", panels.RED),
    "clock-off": ("clock off", "#b877d9"),
}
"""Each state of a camera: its word and colour. Its number is its place, for a timeline shows numbers."""

_PUBLISHED: Final = of_cameras("mien_frames_total", 'stage="camera", outcome="published"')
_FIRING: Final = sum_by("", of_cameras("mien_alerts_active"))


def _in_state(state: str) -> str:
    return of_cameras("mien_camera_state", f'state="{state}"')


_TRUE: Final = sum_by("", _in_state("ok"))
_STATE_NUMBER: Final = sum_by(
    "camera", " or ".join(f"{number} * {_in_state(state)}" for number, state in enumerate(CAMERA_STATES))
)


def content() -> list[Row | Panel]:
    """Headings and panels, in their order."""
    return [
        panels.row("Now"),
        panels.number(
            About(
                "Cameras that give pictures",
                "Cameras whose source gives pictures, of all whose process runs. Less than all: somebody is "
                "not seen.",
                "short",
                alerts=("MienCameraDown",),
                width=4,
                height=5,
            ),
            Query(sum_by("", of_cameras("mien_camera_up")), "give pictures"),
            Query(f"count({of_cameras('mien_camera_up')})", "of"),
        ),
        panels.number(
            About(
                "Cameras that are true",
                "Share of the cameras whose picture can be believed: not frozen, dark, covered, blurred, "
                "moved or lost, and with the right time. Normal: 100 %.",
                "percentunit",
                panels.good_above(0.9, 1),
                width=4,
                height=5,
            ),
            Query(f"{_TRUE} / count({_in_state('ok')})", "true"),
        ),
        panels.number(
            About(
                "Subjects in view",
                "People whose face was seen in the last seconds, on all cameras together.",
                "short",
                width=4,
                height=5,
            ),
            Query(sum_by("", of_cameras("mien_active_subjects")), "subjects"),
        ),
        panels.number(
            About(
                "Alerts on faces",
                "Alerts of the rules in alerts.yaml that are firing. 0 is normal; no value at all means that "
                "the stage alerts does not run.",
                "short",
                panels.good_below(1),
                width=4,
                height=5,
            ),
            Query(or_zero(_FIRING, ALERTS_STAGE), "firing"),
        ),
        panels.number(
            About(
                "How old is what we see",
                "Age of a frame when its events are in Redis; of a hundred frames, 99 are younger. "
                "Normal: below 250 ms. The objective is 500 ms.",
                "s",
                panels.good_below(0.5, 1),
                alerts=("MienFramesArriveLate",),
                width=4,
                height=5,
            ),
            Query(quantile(0.99, "mien_frame_age_seconds", matchers='stage="state"'), "99 %"),
        ),
        panels.number(
            About(
                "Frames seen",
                "Frames that all cameras together send, a second.",
                "short",
                width=4,
                height=5,
                decimals=1,
            ),
            Query(sum_by("", rate(_PUBLISHED)), "frames a second"),
        ),
        panels.row("Cameras"),
        panels.states(
            About(
                "Truth of each camera",
                "What each camera's picture was worth, and when. A camera that is not true is not believed: "
                "its faces raise no alerts unless a rule asks for them.",
                "none",
                width=24,
                height=7,
                alerts=(
                    "MienCameraFrozen",
                    "MienCameraDark",
                    "MienCameraCovered",
                    "MienCameraBlurred",
                    "MienCameraMoved",
                    "MienCameraClockOff",
                ),
            ),
            Query(_STATE_NUMBER, "{{camera}}"),
            dict(enumerate(CAMERA_STATES.values())),
        ),
        panels.unit_of_column(
            panels.rows(
                About(
                    "Each camera",
                    "Whether the camera gives pictures (1) or not (0), since when its picture is the same, "
                    "how many frames a second it sends, how many people it shows, and how often it was lost "
                    "in this hour.",
                    "short",
                    alerts=("MienCameraDown",),
                    width=12,
                    decimals=1,
                ),
                {"camera": "Camera"},
                Query(f"max by (camera) ({of_cameras('mien_camera_up')})", "Up"),
                Query(f"max by (camera) ({of_cameras('mien_camera_unchanged_seconds')})", "Unchanged for"),
                Query(sum_by("camera", rate(_PUBLISHED)), "Frames a second"),
                Query(sum_by("camera", of_cameras("mien_active_subjects")), "Subjects"),
                Query(
                    sum_by("camera", f"increase({of_cameras('mien_camera_reconnects_total')}[1h])"),
                    "Tried to reconnect",
                ),
            ),
            "Unchanged for",
            "s",
        ),
        panels.lines(
            About(
                "Frames of each camera",
                "Frames that each camera sends, a second. It falls to 0 when a camera is lost or frozen.",
                "short",
                alerts=("MienCameraDown",),
                width=12,
            ),
            Query(sum_by("camera", rate(_PUBLISHED)), "{{camera}}"),
        ),
        panels.lines(
            About(
                "Clock of each camera",
                "How far each camera's clock is from Kafka's, beyond what the way explains. Far off, ages "
                "and order in time are wrong.",
                "s",
                width=12,
                alerts=("MienCameraClockOff",),
            ),
            Query(f"max by (camera) (abs({of_cameras('mien_camera_clock_offset_seconds')}))", "{{camera}}"),
        ),
        panels.lines(
            About(
                "Subjects in view",
                "People whose face each camera showed in the last seconds.",
                "short",
                width=12,
            ),
            Query(sum_by("camera", of_cameras("mien_active_subjects")), "{{camera}}"),
        ),
        panels.row("Faces"),
        panels.lines(
            About(
                "Emotions",
                "Emotion events a second, by the emotion that they name. One face in view gives one event a "
                "frame, so many faces count more than few.",
                "short",
                width=16,
                height=9,
            ),
            Query(sum_by("emotion", rate(of_cameras("mien_emotions_total"))), "{{emotion}}"),
            stacked=True,
        ),
        panels.rows(
            About(
                "Alerts that are firing",
                "Rule, severity and camera of each alert on a face that is firing now.",
                "short",
                panels.good_below(1),
                width=8,
                height=9,
                alerts=("MienEmotionAlert",),
            ),
            {"rule": "Rule", "severity": "Severity", "camera": "Camera"},
            Query(sum_by("rule, severity, camera", f"{of_cameras('mien_alerts_active')} > 0"), "Firing"),
        ),
        panels.lines(
            About(
                "How old is what we see",
                "Age of a frame when its events are in Redis: half of the frames, 95 and 99 of a hundred are "
                "younger than that. The objective is 500 ms for 99 %.",
                "s",
                panels.good_below(0.5, 1),
                alerts=("MienFramesArriveLate",),
                width=12,
            ),
            *(
                Query(quantile(q, "mien_frame_age_seconds", matchers='stage="state"'), f"{q:.0%}")
                for q in (0.5, 0.95, 0.99)
            ),
        ),
        panels.lines(
            About(
                "Faces that cannot be read",
                "Events a second in which the model abstains, by reason: too small, turned away, blurred, or "
                "too unsure.",
                "short",
                alerts=("MienMostlyAbstains",),
                width=12,
            ),
            Query(sum_by("reason", rate(of_cameras("mien_abstentions_total"))), "{{reason}}"),
            stacked=True,
        ),
    ]
