"""What a rule says, and which rules a camera's faces must be held against.

A rule's condition is a number that reaches a threshold: the smoothed probability of some emotions together,
or how far that has moved from the subject's own mean of the last minutes. A thousand rules must not cost a
thousand comparisons an event, so a camera's rules lie in groups that share their number, by threshold.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Any, Final, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from streams.messages.alert import Severity
from streams.messages.emotion_event import EMOTIONS, Emotion
from workers.alerts.schedule import Schedule

DURATION_MAX_US: Final = 24 * 3600 * 1_000_000
CAMERAS_KNOWN_MAX: Final = 10_000
TOLERANCE: Final = 1e-9
_UNITS_US: Final = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h)")
TRUE_CAMERA: Final = ("ok", "unknown")
"""States of a camera in which its faces count: nothing is amiss, or nobody has looked."""


def duration_us(text: Any) -> int:
    """``4s``, ``1.5m`` → µs; a day at most. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"{text!r} is no duration; write it with its unit, as 500ms, 4s, 2m or 1h")
    us = round(float(match[1]) * _UNITS_US[match[2]])
    if us > DURATION_MAX_US:
        raise ValueError(f"{text} is longer than a day")
    return us


Duration = Annotated[int, BeforeValidator(duration_us)]
Pattern = Annotated[str, Field(pattern=r"^[A-Za-z0-9._*?\[\]!-]{1,100}$")]


class Rule(BaseModel):
    """One rule, as alerts.yaml has it; docs/alerting.md says what each option means."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$")
    emotions: list[Emotion] = Field(min_length=1)
    probability: float | None = Field(None, gt=0, le=1)
    change: float | None = Field(None, ge=-1, le=1)
    over_us: Duration | None = Field(None, alias="over", gt=0)
    for_us: Duration = Field(0, alias="for")
    share: float = Field(1.0, gt=0, le=1)
    min_confidence: float = Field(0.0, ge=0, le=1)
    own_neutral: bool = False
    cameras: list[Pattern] = []
    groups: list[str] = []
    schedule: Schedule | None = None
    subjects_at_least: int = Field(1, ge=1, le=1000)
    clear_for_us: Duration = Field(5_000_000, alias="clear_for", gt=0)
    cooldown_us: Duration = Field(0, alias="cooldown")
    severity: Severity = "warning"
    labels: dict[str, str] = {}
    include_still: bool = False
    include_untrue_cameras: bool = False

    @model_validator(mode="after")
    def _has_one_condition(self) -> Self:
        if (self.probability is None) == (self.change is None):
            raise ValueError("a rule needs either probability or change")
        if self.change == 0:
            raise ValueError("change must be above 0 (a rise) or below (a fall)")
        if (self.change is None) != (self.over_us is None):
            raise ValueError("change and over go together: by how much, against how long")
        return self

    @property
    def threshold(self) -> float:
        """What the condition's number must reach."""
        return self.probability if self.probability is not None else abs(self.change or 0.0)

    @property
    def is_crowd(self) -> bool:
        return self.subjects_at_least > 1

    @cached_property
    def needed_us(self) -> int:
        """For so much of the window the condition must hold."""
        return round(self.share * self.for_us)

    def counts(self, sighting: "Circumstances") -> bool:
        """Whether a face in these circumstances counts for the rule at all."""
        return (
            sighting.confidence >= self.min_confidence
            and (sighting.own or not self.own_neutral)
            and (not sighting.still or self.include_still)
            and (sighting.camera in TRUE_CAMERA or self.include_untrue_cameras)
            and (self.schedule is None or self.schedule.covers(sighting.at_us))
        )


class Circumstances(NamedTuple):
    """What decides whether a face counts, whatever it shows."""

    at_us: int
    confidence: float
    own: bool
    """Compared with the subject's own neutral face."""
    still: bool
    """Not a living face, as a photograph."""
    camera: str


class Group(NamedTuple):
    """Rules with one number, by threshold: the first ones hold."""

    emotions: tuple[int, ...]
    over_us: int
    """0: the probability itself; else its change against the mean of so long."""
    sign: int
    thresholds: list[float]
    rules: list[Rule]

    def holding(self, probabilities: Sequence[float], means: Sequence[float] | None) -> tuple[float, int]:
        """The number, and how many of the rules it is enough for."""
        value = 0.0
        for index in self.emotions:
            value += probabilities[index]
        if self.over_us:
            if means is None:
                return 0.0, 0
            value = self.sign * (value - sum([means[index] for index in self.emotions]))
        return value, bisect_right(self.thresholds, value + TOLERANCE)


class CameraRules(NamedTuple):
    """The rules for one camera's faces."""

    groups: list[Group]
    overs_us: tuple[int, ...]
    """Over which times the subject's own means are needed."""
    crowd: list[Rule]
    """Those that ask for several faces."""


class RuleSet:
    """All rules of a file, and those for each camera."""

    def __init__(self, rules: Sequence[Rule], camera_groups: dict[str, list[str]] | None = None) -> None:
        self.rules = list(rules)
        self.by_name = {rule.name: rule for rule in rules}
        self._camera_groups = camera_groups or {}
        self._of_camera: dict[str, CameraRules] = {}
        self._by_rules: dict[tuple[int, ...], CameraRules] = {}

    @cached_property
    def memory_us(self) -> int:
        """For so long what is known of a subject may still matter."""
        return max(
            (max(r.for_us, r.cooldown_us, r.over_us or 0) + r.clear_for_us for r in self.rules),
            default=0,
        )

    def of_camera(self, camera_id: str) -> CameraRules:
        known = self._of_camera.get(camera_id)
        if known is None:
            if len(self._of_camera) >= CAMERAS_KNOWN_MAX:
                self._of_camera.clear()
                self._by_rules.clear()
            chosen = tuple(i for i, rule in enumerate(self.rules) if self._is_for(rule, camera_id))
            if chosen not in self._by_rules:  # cameras with the same rules share them
                self._by_rules[chosen] = _grouped([self.rules[i] for i in chosen])
            known = self._of_camera[camera_id] = self._by_rules[chosen]
        return known

    def _is_for(self, rule: Rule, camera_id: str) -> bool:
        patterns = [*rule.cameras]
        for group in rule.groups:
            patterns += self._camera_groups[group]
        return not (rule.cameras or rule.groups) or any(fnmatchcase(camera_id, p) for p in patterns)


def _grouped(rules: Sequence[Rule]) -> CameraRules:
    found: dict[tuple[tuple[int, ...], int, int], list[Rule]] = {}
    for rule in rules:
        emotions = tuple(sorted({EMOTIONS.index(emotion) for emotion in rule.emotions}))
        sign = -1 if (rule.change or 0) < 0 else 1
        found.setdefault((emotions, rule.over_us or 0, sign), []).append(rule)
    groups = []
    for (emotions, over_us, sign), members in found.items():
        members.sort(key=lambda rule: rule.threshold)
        groups.append(Group(emotions, over_us, sign, [rule.threshold for rule in members], members))
    overs = tuple(sorted({group.over_us for group in groups} - {0}))
    return CameraRules(groups, overs, [rule for rule in rules if rule.is_crowd])
