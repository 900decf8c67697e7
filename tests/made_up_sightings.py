"""Faces for the alert rules, made up frame by frame."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from streams.messages.emotion_event import EmotionEvent, time_of
from streams.settings import Settings
from workers.alerts import rule_file
from workers.alerts.alert_engine import Sighting
from workers.alerts.rules import RuleSet
from workers.alerts.smoothing import SmoothingRule

START_US = 1_760_000_000_000_000
FPS = 10
SMOOTHING = SmoothingRule.of(Settings.model_construct())
FEAR = {"fear": 0.95, "neutral": 0.05}
CALM = {"neutral": 0.97, "fear": 0.03}


def rules_of(text: str) -> RuleSet:
    """The rules of alerts.yaml's list ``rules``."""
    return rule_file.parse(f"rules:\n{text}", "alerts.yaml")


See = Callable[..., list[Sighting]]


@pytest.fixture(scope="session")
def see(make_event: Callable[..., EmotionEvent]) -> See:
    """Sightings of one subject, a frame each 100 ms: what each shows, None where the event abstains."""

    def see(
        shown: Sequence[dict[str, float] | None],
        *,
        subject: str = "a",
        camera: str = "lobby-1",
        first: int = 0,
        own: bool = True,
        still: bool = False,
        camera_is: str = "ok",
        **changes: Any,
    ) -> list[Sighting]:
        found = []
        for seq, p in enumerate(shown, first):
            event = make_event(
                p=p,
                camera_id=camera,
                subject_id=f"{camera}:{subject}",
                frame_seq=seq,
                captured_at=time_of(START_US + seq * 1_000_000 // FPS),
                **({"emotion": None, "abstained": "blurred"} if p is None else {}) | changes,
            )
            why = replace(event.explanation, baseline="subject" if own else "population")
            found.append(Sighting(replace(event, explanation=why, still=still), camera_is))
        return found

    return see
