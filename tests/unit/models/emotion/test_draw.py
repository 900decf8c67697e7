"""Drawn explanations: the right colours at the right places, at every size."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.emotion.draw import (
    AGAINST_COLOR,
    FACE_WIDTH_PX,
    FOR_COLOR,
    MAX_UPSCALED_SIDE_PX,
    AnnotatedFace,
    annotate,
    attribution_color,
)

GREY = np.full((600, 1000, 3), 127, dtype=np.uint8)


def face(
    box: tuple[float, float, float, float] = (100, 100, 500, 500),
    attributions: tuple[float, ...] = (1.0, -1.0, 0.0),
    label: str = "Happiness 93 %",
    detail: str = "Mouth corners raised and apart, cheeks lifted.",
) -> AnnotatedFace:
    """Landmarks along the box's diagonal, evenly."""
    shares = (np.arange(len(attributions)) + 1) / (len(attributions) + 1)
    x0, y0, x1, y1 = box
    points = np.stack([x0 + shares * (x1 - x0), y0 + shares * (y1 - y0), 0 * shares], axis=1)
    return AnnotatedFace(
        landmarks_px=points.astype(np.float32),
        attributions=np.array(attributions, dtype=np.float32),
        box_xyxy_px=np.array(box, dtype=np.float32),
        label=label,
        detail=detail,
    )


def changed(picture: np.ndarray, original: np.ndarray = GREY) -> np.ndarray:
    return np.asarray((picture != original).any(axis=2))


def test_dots_are_warm_for_cool_against_and_pale_between() -> None:
    drawn = annotate(GREY, [face()]).astype(int)
    (red, _, blue), against, neither = drawn[200, 200], drawn[300, 300], drawn[400, 400]
    assert red > blue + 100
    assert against[2] > against[0] + 100
    assert np.ptp(neither) < 10
    assert neither.min() > 180


def test_only_the_proportions_of_the_attributions_matter() -> None:
    small, large = face(attributions=(1e-4, -2e-4)), face(attributions=(10, -20))
    np.testing.assert_array_equal(annotate(GREY, [small]), annotate(GREY, [large]))


def test_a_stronger_dot_is_larger() -> None:
    drawn = annotate(GREY, [face(attributions=(1.0, 0.05))])
    strong, weak = changed(drawn)[233 - 20 : 233 + 20, 233 - 20 : 233 + 20], changed(drawn)[347:387, 347:387]
    assert strong.sum() > 2 * weak.sum() > 0


@pytest.mark.parametrize("attributions", [(0.1, 1.0), (1.0, 0.1)])
def test_the_stronger_of_two_dots_lies_on_top(attributions: tuple[float, float]) -> None:
    points = np.full((2, 3), 300, dtype=np.float32)
    drawn = annotate(GREY, [replace(face(attributions=attributions), landmarks_px=points)]).astype(int)
    assert drawn[300, 300, 0] > drawn[300, 300, 2] + 150


def test_a_face_without_attributions_is_drawn_pale() -> None:
    drawn = annotate(GREY, [face(attributions=(0.0, 0.0, 0.0))])
    assert (np.ptp(drawn[[200, 300, 400], [200, 300, 400]].astype(int), axis=1) < 10).all()


@given(st.floats(-1.5, 1.5))
def test_the_colour_scale_goes_from_cool_to_warm(strength: float) -> None:
    red, _, blue = attribution_color(strength)
    assert (red - blue) * strength >= 0
    assert attribution_color(5) == attribution_color(1) == FOR_COLOR
    assert attribution_color(-5) == attribution_color(-1) == AGAINST_COLOR


def test_the_panel_stands_beside_the_face_and_grows_with_its_text() -> None:
    without, one, more = (
        changed(annotate(GREY, [face(detail=detail)]))[:, 520:] for detail in ("", "word", "word\n" * 6)
    )
    assert 0 < without.any(axis=1).sum() < one.any(axis=1).sum() < more.any(axis=1).sum()
    assert more[:, -1].sum() == 0


def test_the_panel_goes_where_there_is_room() -> None:
    drawn = changed(annotate(GREY, [face(box=(550, 100, 950, 500), detail="word")]))
    assert drawn[:, :500].any()
    assert not drawn[:, 960:].any()


def test_panels_of_two_faces_keep_off_the_faces_and_each_other() -> None:
    picture = np.full((900, 1280, 3), 127, dtype=np.uint8)
    two = [face(box=(60, 60, 400, 400), detail="word"), face(box=(700, 60, 1040, 400), detail="word")]
    alone = changed(annotate(picture, two[:1]), picture)
    alone[60:400, 60:400] = False
    both = changed(annotate(picture, two), picture)
    both[60:400, 60:400] = both[60:400, 700:1040] = False
    assert both.sum() == pytest.approx(2 * alone.sum(), rel=0.01)


def test_panels_do_not_cover_each_other() -> None:
    picture = np.full((1000, 2000, 3), 127, dtype=np.uint8)
    above = face(box=(800, 60, 1140, 400), detail="word\n" * 7)
    below = face(box=(800, 420, 1140, 760), detail="word\n" * 7)

    def outside(drawn: np.ndarray) -> int:
        mask = changed(drawn, picture)
        mask[60:760, 800:1140] = False
        return int(mask.sum())

    assert outside(annotate(picture, [above, below])) == pytest.approx(
        2 * outside(annotate(picture, [above])), rel=0.01
    )


def test_the_label_is_written() -> None:
    assert (annotate(GREY, [face(label="Fear")]) != annotate(GREY, [face(label="Joy!")])).any()


def test_edges_are_smooth() -> None:
    drawn = annotate(GREY, [face(attributions=(1.0,))])
    assert len(np.unique(drawn[280:320, 280:320].reshape(-1, 3), axis=0)) > 6  # more than grey, rim and fill


@pytest.mark.parametrize(
    ("size", "box", "expected"),
    [
        ((600, 1000), (100, 100, 100 + FACE_WIDTH_PX, 500), (600, 1000)),
        ((300, 400), (10, 10, 10 + FACE_WIDTH_PX / 2, 200), (600, 800)),
        ((512, 512), (178, 69, 273, 177), (MAX_UPSCALED_SIDE_PX, MAX_UPSCALED_SIDE_PX)),
        ((2000, 1500), (10, 10, 50, 50), (2000, 1500)),
    ],
)
def test_only_small_pictures_of_small_faces_are_enlarged(
    size: tuple[int, int], box: tuple[float, float, float, float], expected: tuple[int, int]
) -> None:
    drawn = annotate(np.zeros((*size, 3), dtype=np.uint8), [face(box=box)])
    assert drawn.dtype == np.uint8
    assert drawn.shape == (*expected, 3)


def test_without_faces_the_picture_is_returned_as_it_is() -> None:
    np.testing.assert_array_equal(annotate(GREY, []), GREY)


def test_the_original_is_not_drawn_on() -> None:
    picture = GREY.copy()
    annotate(picture, [face()])
    np.testing.assert_array_equal(picture, GREY)


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.floats(-300, 400), st.floats(-300, 400), st.floats(0, 300), st.floats(0, 300)),
)
def test_any_size_and_place_can_be_drawn(
    size: tuple[int, int], place: tuple[float, float, float, float]
) -> None:
    x, y, width, height = place
    drawn = annotate(np.zeros((*size, 3), dtype=np.uint8), [face(box=(x, y, x + width, y + height))])
    assert drawn.shape[0] >= size[0]
    assert drawn.shape[1] >= size[1]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"landmarks_px": np.zeros((3, 4), np.float32)},
            r"landmarks_px must be \[K, 2\] or \[K, 3\], not \(3, 4\)",
        ),
        ({"attributions": np.zeros(2, np.float32)}, r"attributions must be \[3\].*\(2,\)"),
        ({"box_xyxy_px": np.zeros(3, np.float32)}, r"box_xyxy_px must be \[4\], not \(3,\)"),
    ],
)
def test_wrong_shapes_are_refused(changes: dict[str, np.ndarray], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AnnotatedFace(**(vars(face()) | changes))
