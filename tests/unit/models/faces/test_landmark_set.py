import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.faces.canonical import MIRROR
from models.faces.landmark_set import ALL, SHIPPED, LandmarkSet, select
from models.training.training_recipe import TrainConfig


def a_set() -> LandmarkSet:
    return LandmarkSet("corners", np.array([1, 33, 61, 263, 291], dtype=np.int32))


def test_id_is_the_name_and_a_hash_of_little_endian_int32() -> None:
    # printf '\1\0\0\0\041\0\0\0\075\0\0\0\007\1\0\0\043\1\0\0' | sha256sum
    assert a_set().id == "corners-" + a_set_hash()


def a_set_hash() -> str:
    from hashlib import sha256

    return sha256(bytes([1, 0, 0, 0, 33, 0, 0, 0, 61, 0, 0, 0, 7, 1, 0, 0, 35, 1, 0, 0])).hexdigest()[:12]


def test_shipped_set_is_chosen_as_the_shipped_configuration_says() -> None:
    shipped, config = LandmarkSet.load(SHIPPED), TrainConfig.load(SHIPPED.with_name("train.toml"))
    assert len(shipped) == config.landmarks == 128
    assert shipped.name == f"{config.selection}{config.landmarks}"
    np.testing.assert_array_equal(np.sort(MIRROR[shipped.indices]), shipped.indices)


def test_take_gives_the_points_of_the_indices() -> None:
    points = np.arange(2 * 468 * 3, dtype=np.float64).reshape(2, 468, 3)
    taken = a_set().take(points)
    assert taken.dtype == np.float32
    np.testing.assert_array_equal(taken, points[:, [1, 33, 61, 263, 291]])


@pytest.mark.parametrize("shape", [(468, 3), (1, 128, 3), (1, 468, 2)])
def test_take_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\[N, 468, 3\]"):
        a_set().take(np.zeros(shape, np.float32))


def test_mirror_is_within_the_set() -> None:
    np.testing.assert_array_equal(a_set().mirror, [0, 3, 4, 1, 2])


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([33], "without its twin 263"),
        ([1, 1], "ascend"),
        ([263, 33], "ascend"),
        ([-1, 1], "within 0 to 467"),
        ([1, 468], "within 0 to 467"),
        ([], "K ≥ 1"),
        ([1.5], "whole numbers"),
        ([[1]], "whole numbers"),
    ],
)
def test_bad_indices_are_refused(indices: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LandmarkSet("bad", np.array(indices))


def test_indices_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        a_set().indices[0] = 2


def test_file_round_trip(tmp_path: Path) -> None:
    a_set().save(tmp_path / "set.json")
    loaded = LandmarkSet.load(tmp_path / "set.json")
    assert loaded == a_set()
    assert loaded.name == "corners"
    assert loaded != ALL
    assert len({loaded, a_set(), ALL}) == 2


def test_name_may_hold_a_dash() -> None:
    dashed = LandmarkSet("mien-v2", np.array([1]))
    assert LandmarkSet.from_json(dashed.to_json()).name == "mien-v2"


def test_changed_file_is_refused(tmp_path: Path) -> None:
    stored = json.loads(a_set().to_json())
    stored["indices"] = [1]
    (tmp_path / "set.json").write_text(json.dumps(stored))
    with pytest.raises(ValueError, match=r"set\.json: landmark set 'corners-.*was changed"):
        LandmarkSet.load(tmp_path / "set.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": "x"}', "\xff", '{"id": "x-1", "indices": ["a"]}'])
def test_foreign_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "set.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"set\.json: "):
        LandmarkSet.load(tmp_path / "set.json")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LandmarkSet.load(tmp_path / "none.json")


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 468))
def test_select_gives_the_asked_number_in_mirrored_pairs(seed: int, count: int) -> None:
    importance = np.random.default_rng(seed).random(468).astype(np.float32)
    assert len(select("any", importance, count)) == count  # LandmarkSet itself refuses a lonely twin


def test_select_takes_the_best_pairs_by_their_mean() -> None:
    importance = np.zeros(468, np.float32)
    importance[[61, 33, 263, 1]] = [10, 4, 4.5, 0.1]  # 61 with 291: mean 5; 33 with 263: mean 4.25
    np.testing.assert_array_equal(select("best", importance, 2).indices, [61, 291])
    np.testing.assert_array_equal(select("best", importance, 4).indices, [33, 61, 263, 291])
    np.testing.assert_array_equal(select("best", importance, 3).indices, [1, 61, 291])


def test_select_makes_an_odd_number_even_if_all_midline_points_are_best() -> None:
    midline = np.flatnonzero(np.arange(468) == MIRROR)
    importance = np.zeros(468, np.float32)
    importance[midline] = np.arange(2, 2 + len(midline))
    importance[[61, 291]] = 1
    chosen = set(select("odd", importance, len(midline) + 1).indices.tolist())
    assert chosen == {*midline[1:].tolist(), 61, 291}


@pytest.mark.parametrize("count", [0, 469])
def test_select_refuses_impossible_counts(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 468"):
        select("any", np.ones(468, np.float32), count)


def test_select_refuses_another_shape() -> None:
    with pytest.raises(ValueError, match=r"\[468\]"):
        select("any", np.ones(128, np.float32), 3)
