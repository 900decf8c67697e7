"""Generated camera scenes: the truth they tell is what they draw."""

from itertools import islice

import numpy as np
import pytest

from models.staged import scenes
from models.staged.scenes import KINDS, Actor, Scene, Waypoint, standing

WAY = (Waypoint(0, 100, 100, 60), Waypoint(1, 200, 100, 60))


def _still(x_px: float, y_px: float, face_px: float, person: int = 0) -> Actor:
    return Actor(person, (Waypoint(0, x_px, y_px, face_px), Waypoint(9, x_px, y_px, face_px)))


def _first(*actors: Actor, pillars: tuple[tuple[int, int, int, int], ...] = ()) -> scenes.SceneFrame:
    return next(Scene("test", (320, 240), 1, actors, pillars).frames())


def test_a_scene_is_the_same_each_time_and_another_with_another_seed() -> None:
    scene = standing(2, 60, (320, 240), seconds=0.3, seed=4)
    first, second = list(scene.frames()), list(scene.frames())
    assert len(first) == len(scene) == 3
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.picture_rgb, b.picture_rgb)
        assert [f.box_xyxy_px.tolist() for f in a.faces] == [f.box_xyxy_px.tolist() for f in b.faces]
    other = next(standing(2, 60, (320, 240), seconds=0.3, seed=5).frames())
    assert np.abs(other.picture_rgb.astype(int) - first[0].picture_rgb).mean() > 10
    assert (first[0].picture_rgb != first[1].picture_rgb).any()  # noise and expressions


@pytest.mark.parametrize("person", range(4))
@pytest.mark.parametrize("face_px", [24, 60, 150])
def test_a_face_is_drawn_where_and_as_large_as_asked(person: int, face_px: float) -> None:
    frame, empty = _first(_still(160, 130, face_px, person)), _first()
    (face,) = frame.faces
    x0, y0, x1, y1 = face.box_xyxy_px.tolist()
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((160, 130), abs=0.08 * face_px)
    assert x1 - x0 == pytest.approx(face_px, rel=0.08)  # turned a little, and not quite at rest
    assert face.visible == pytest.approx(1, abs=0.04)
    changed = np.abs(frame.picture_rgb.astype(int) - empty.picture_rgb).max(axis=2) > 12
    rows, columns = np.nonzero(changed)
    assert columns.min() < x0 < x1 < columns.max()
    assert rows.min() < y0
    assert columns.max() - columns.min() < 2.4 * face_px


@pytest.mark.parametrize("person", range(scenes.PERSONS))
def test_the_mesh_goes_the_way_of_the_picture(person: int) -> None:
    """A mark drawn on the portrait's head is seen where the mesh says, for each variant of the person."""
    variant = scenes._person(person)
    at = variant._shapes.rest_px[[33, 263, 1, 152]]
    marks = np.zeros((*variant._head.size_px[::-1], 4), np.float32)
    for channel, (x, y) in enumerate((at - variant._head.offset_px).tolist()):
        marks[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3, channel] = 1
    drawn = scenes.sample(variant._turned_round(marks), variant._back)
    for channel, point in enumerate(variant._shaped(variant._in_head(at))):
        y, x = (np.argwhere(drawn[..., channel] > 0.5)).mean(axis=0)
        assert (x, y) == pytest.approx(point, abs=1.0)


def test_people_differ_in_shape() -> None:
    shapes = []
    for person in range(scenes.PERSONS):
        variant = scenes._person(person)
        points = variant._shaped(variant._in_head(variant._shapes.rest_px))
        shapes.append(points / np.ptp(points[:, 0]))
    ratios = [np.ptp(s[:, 1]) for s in shapes]
    assert max(ratios) - min(ratios) > 0.1


def test_who_stands_in_front_hides_who_stands_behind() -> None:
    behind, front = _still(150, 120, 60), _still(150, 120, 70, person=1)
    frame = _first(behind, front)
    assert [face.actor for face in frame.faces] == [0, 1]
    assert frame.faces[0].visible == 0
    assert frame.faces[1].visible > 0.95
    half = _first(behind, front._replace(way=tuple(w._replace(x_px=200) for w in front.way)))
    assert 0.1 < half.faces[0].visible < 0.9


def test_a_pillar_hides_what_it_covers() -> None:
    frame = _first(_still(160, 120, 60), pillars=((160, 0, 320, 240),))
    assert frame.faces[0].visible == pytest.approx(0.5, abs=0.08)


def test_the_picture_s_border_hides_and_who_is_outside_is_not_told() -> None:
    assert _first(_still(0, 120, 60)).faces[0].visible == pytest.approx(0.5, abs=0.08)
    assert _first(_still(-100, 120, 60), _still(160, 500, 60)).faces == ()


def test_an_actor_is_there_from_its_first_waypoint_to_its_last() -> None:
    way = (Waypoint(0.2, 100, 100, 40), Waypoint(0.6, 200, 140, 60))
    scene = Scene("test", (320, 240), 1.0, (Actor(0, way),))
    seen = [frame.faces for frame in scene.frames()]
    assert [len(faces) for faces in seen] == [0, 0, 1, 1, 1, 1, 1, 0, 0, 0]
    x0, _, x1, _ = seen[4][0].box_xyxy_px
    assert (x0 + x1) / 2 == pytest.approx(150, abs=5)
    assert x1 - x0 == pytest.approx(50, rel=0.1)


@pytest.mark.parametrize("faces", [0, 1, 2, 4, 8])
def test_standing_faces_do_not_hide_each_other(faces: int) -> None:
    frame = next(standing(faces, 90, (640, 480), seed=2).frames())
    assert len(frame.faces) == faces
    assert all(face.visible > 0.95 for face in frame.faces)


def test_too_many_faces_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"8 faces of 200 px do not fit into 640×480"):
        standing(8, 200, (640, 480))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fps": 0.0}, "fps and seconds must be above 0"),
        ({"size_px": (32, 240)}, "at least 64×64"),
        ({"actors": (Actor(0, ()),)}, "waypoints in order of time"),
        ({"actors": (Actor(0, WAY[::-1]),)}, "waypoints in order of time"),
        ({"actors": (Actor(0, (Waypoint(0, 1, 1, 0),)),)}, "face_px must be above 0"),
        ({"actors": (Actor(0, WAY),) * 254}, "at most 253 actors, got 254"),
    ],
)
def test_a_scene_that_makes_no_sense_is_refused(changed: dict[str, object], message: str) -> None:
    fields: dict[str, object] = {"name": "test", "size_px": (320, 240), "seconds": 1, "actors": ()}
    with pytest.raises(ValueError, match=message):
        Scene(**(fields | changed))  # type: ignore[arg-type]


def _least_visible(name: str) -> list[float]:
    least: dict[int, float] = {}
    scene = KINDS[name](1)
    for frame in islice(scene.frames(), 6, 45):  # one of the two crossings, which is at about 2 to 3 s
        for face in frame.faces:
            least[face.actor] = min(least.get(face.actor, 1.0), face.visible)
    return [least[actor] for actor in sorted(least)]


def test_crossings_hide_as_much_as_their_names_say() -> None:
    assert min(_least_visible("crossing, apart")) > 0.95
    assert all(0.5 < v < 0.9 for v in _least_visible("crossing, at most half hidden")[::2])
    assert all(0.15 < v < 0.5 for v in _least_visible("crossing, more than half hidden")[::2])
    assert all(v == 0 for v in _least_visible("crossing, fully hidden")[::2])
