"""What a demo script shows when."""

import pytest

from models.staged.expression_scripts import (
    EXPRESSIONS,
    NEUTRAL,
    SCRIPTS,
    Script,
    Segment,
    find_script,
    intensities_at,
    truth_at,
)

SMILE = Script("test", (Segment("neutral", 1.0), Segment("happiness", 1.0)), ease_s=0.4)


@pytest.mark.parametrize(
    ("index", "truth"),
    [
        (0, "neutral"),  # the first round starts at once
        (9, "neutral"),
        (10, "neutral"),  # the ease begins: smoothstep(0) = 0
        (11, None),  # smoothstep(0.25) = 0.16
        (12, None),  # 0.5
        (13, "happiness"),  # 0.84
        (19, "happiness"),
        (20, "happiness"),  # second round: eased from the last segment
        (22, None),
        (24, "neutral"),
        (33, "happiness"),
    ],
)
def test_truth_along_a_script(index: int, truth: str | None) -> None:
    assert truth_at(SMILE, index, fps=10) == truth


def test_truth_follows_time_not_frame_count() -> None:
    for index in range(60):
        assert truth_at(SMILE, index, 10) == truth_at(SMILE, index * 3, 30)


def test_intensities_rise_monotonically_during_the_ease_and_then_stay() -> None:
    rising = [intensities_at(SMILE, 1.0 + ms / 1000)["happiness"] for ms in range(0, 401, 20)]
    assert rising[0] == 0
    assert rising == sorted(rising)
    assert rising[5] == pytest.approx(0.15625)  # starts softly: smoothstep(0.25)
    assert rising[-1] == pytest.approx(1)
    assert intensities_at(SMILE, 1.9) == {e: float(e == "happiness") for e in EXPRESSIONS}


def test_between_two_expressions_the_truth_is_unknown() -> None:
    script = Script("test", (Segment("surprise", 1.0), Segment("anger", 1.0)))
    truths = [truth_at(script, i, 100) for i in range(100, 200)]
    assert truths[0] == "surprise"
    assert truths[-1] == "anger"
    assert None in truths
    assert NEUTRAL not in truths  # half of each is not a face at rest
    for i, truth in enumerate(truths):
        if truth is not None:
            other = "anger" if truth == "surprise" else "surprise"
            assert intensities_at(script, 1 + i / 100)[other] <= 0.15


def test_weak_segment_has_no_truth() -> None:
    script = Script("test", (Segment("sadness", 1.0, intensity=0.4),))
    assert truth_at(script, 5, 10) is None


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_shipped_script_starts_at_rest_and_shows_what_it_lists(name: str) -> None:
    script = find_script(name)
    truths = [truth_at(script, i, 10) for i in range(round(10 * script.duration_s))]
    assert truths[0] == NEUTRAL
    assert set(truths) - {None} == {s.expression for s in script.segments}
    assert truths.count(None) <= 0.25 * len(truths)


def test_unknown_script_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'polka'.*cycle.*crowd"):
        find_script("polka")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Segment("joy", 1.0), r"unknown expression 'joy'.*happiness"),
        (lambda: Segment("anger", 0.0), r"duration_s must be above 0, got 0"),
        (lambda: Segment("anger", 1.0, intensity=1.5), r"intensity must be in \(0, 1\], got 1.5"),
        (lambda: Script("s", ()), r"'s': needs at least one segment"),
        (lambda: Script("s", (Segment("anger", 1.0),), layout="mars"), r"unknown layout 'mars'.*portrait"),
        (lambda: Script("s", (Segment("anger", 0.3),)), r"ease_s .* shortest segment \(0.3 s\), got 0.4"),
    ],
)
def test_invalid_scripts_say_what_is_wrong(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
