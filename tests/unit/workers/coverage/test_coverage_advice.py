"""What is said of a region, word by word, and that its figures are right."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.messages.emotion_event import Abstention
from streams.messages.landmarks_message import PictureSize
from workers.coverage.coverage_advice import (
    INTER_OCULAR_M,
    KNOWN_REASONS,
    READABLE_SHARE,
    View,
    advise,
    distance_m,
    share_below,
)
from workers.coverage.problem_regions import READ, Region

ALL_SENT = PictureSize(1280, 720, 1280)
SCALED_DOWN = PictureSize(640, 360, 1920)


def region(reason: str, details: dict[str, int], faces: int = 200) -> Region:
    return Region(reason, "on the left", faces, sum(details.values()), details, ((0, 4),))


@pytest.mark.parametrize(
    ("reason", "details", "view", "says"),
    [
        pytest.param(
            "small-face",
            {"8": 10, "11": 90},
            View(16, ALL_SENT),
            "Faces on the left are 11 px across the eyes and need 16 px (100 of 200). 90% of them would be "
            "read at 2.0 times the size: bring the camera to 50% of its distance, or give it a lens of 2.0 "
            "times the focal length.",
            id="nearer",
        ),
        pytest.param(
            "small-face",
            {"8": 100},
            View(16, ALL_SENT, fov_deg=90),
            "Faces on the left are 8 px across the eyes and need 16 px (100 of 200). 90% of them would be "
            "read at 2.0 times the size: bring the camera from about 7.2 m to 3.6 m, or give it a lens of "
            "2.0 times the focal length.",
            id="in-metres",
        ),
        pytest.param(
            "small-face",
            {"8": 100},
            View(16, SCALED_DOWN),
            "Faces on the left are 8 px across the eyes and need 16 px (100 of 200). 90% of them would be "
            "read at 2.0 times the size: set --width 1280, the camera's own picture is 1920 px wide.",
            id="wider",
        ),
        pytest.param(
            "small-face",
            {"4": 100},
            View(16, SCALED_DOWN),
            "Faces on the left are 4 px across the eyes and need 16 px (100 of 200). 90% of them would be "
            "read at 4.0 times the size: set --width 1920, all that the camera has, and bring the camera to "
            "75% of its distance, or give it a lens of 1.3 times the focal length.",
            id="wider-and-nearer",
        ),
        pytest.param(
            "small-face",
            {"4": 100},
            View(16, SCALED_DOWN, fov_deg=90),
            "Faces on the left are 4 px across the eyes and need 16 px (100 of 200). 90% of them would be "
            "read at 4.0 times the size: set --width 1920, all that the camera has, and bring the camera "
            "from about 7.2 m to 5.4 m, or give it a lens of 1.3 times the focal length.",
            id="wider-and-nearer-in-metres",
        ),
        pytest.param(
            "small-face",
            {"": 100},
            View(16, None),
            "Faces on the left are too small (100 of 200). Bring the camera nearer, or send larger pictures.",
            id="size-not-known",
        ),
        pytest.param(
            "small-face",
            {"14": 100},
            View(12, ALL_SENT),
            "Faces on the left are 14 px across the eyes and need 12 px (100 of 200). With "
            "MIEN_MIN_INTER_OCULAR_PX as it is set here they are large enough.",
            id="another-limit-then",
        ),
        pytest.param(
            "extreme-pose",
            {"right": 60, "down": 40},
            View(16, None),
            "Faces on the left are turned away (100 of 200); 60% of them look to the right of the picture. "
            "Move the camera to that side, towards where they look.",
            id="turned",
        ),
        pytest.param(
            "extreme-pose",
            {"down": 100},
            View(16, None),
            "Faces on the left are turned away (100 of 200); 100% of them look down. Mount the camera lower, "
            "or hang what they look at beside it.",
            id="looks-down",
        ),
        pytest.param(
            "blurred",
            {"": 100},
            View(16, None),
            "Faces on the left are blurred (100 of 200). Give them more light, so that the camera can expose "
            "for a shorter time; if standing people are blurred too, see to its focus.",
            id="blurred",
        ),
        pytest.param(
            "partial-face",
            {"left": 90, "bottom": 10},
            View(16, None),
            "Faces on the left are cut off by the left edge of the picture (100 of 200). Turn the camera to "
            "the left, or give it a wider lens.",
            id="cut-off",
        ),
        pytest.param(
            "partial-face",
            {"": 100},
            View(16, None),
            "Faces on the left are cut off (100 of 200). Turn the camera so that they are whole.",
            id="cut-off-somewhere",
        ),
        pytest.param(
            "of-a-later-release",
            {"": 100},
            View(16, None),
            "Faces on the left could not be read: of-a-later-release (100 of 200).",
            id="not-known",
        ),
    ],
)
def test_what_is_said(reason: str, details: dict[str, int], view: View, says: str) -> None:
    assert advise(region(reason, details), view).text == says


def test_there_is_advice_for_every_reason_that_is_the_picture_s() -> None:
    assert set(get_args(Abstention)) - READ == KNOWN_REASONS


@given(
    sizes=st.dictionaries(st.integers(1, 15), st.integers(1, 1000), min_size=1),
    sent_px=st.integers(160, 1280),
    full_px=st.integers(160, 4096),
)
def test_so_much_larger_most_are_large_enough(sizes: dict[int, int], sent_px: int, full_px: int) -> None:
    view = View(16, PictureSize(sent_px, 360, max(sent_px, full_px)))
    advice = advise(region("small-face", {str(px): count for px, count in sizes.items()}, 10**6), view)

    assert advice.enlarge is not None
    enough = sum(count for px, count in sizes.items() if px * advice.enlarge >= 16 - 1e-9)
    assert enough >= READABLE_SHARE * sum(sizes.values()) - 1e-6
    if (wanted := advice.text.partition("--width ")[2].partition(",")[0]).isdigit():
        assert sent_px < int(wanted) <= full_px
        assert int(wanted) == full_px or int(wanted) >= sent_px * advice.enlarge
    else:
        assert full_px <= sent_px


@given(st.dictionaries(st.integers(0, 99), st.integers(1, 100), min_size=1), st.floats(0, 1))
def test_the_share_below_a_value_is_at_least_that(counts: dict[int, int], share: float) -> None:
    value = share_below(counts, share)

    below = sum(count for each, count in counts.items() if each <= value)
    assert value in counts
    assert below >= share * sum(counts.values()) - 1e-6


def test_a_face_twice_as_far_is_half_as_large() -> None:
    assert distance_m(8, 1280, 60) == pytest.approx(2 * distance_m(16, 1280, 60))
    assert distance_m(1280, 1280, 90) == pytest.approx(INTER_OCULAR_M / 2)  # it fills the view
