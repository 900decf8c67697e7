"""Which shard has which camera."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import SettingsInvalid
from workers.camera_fleet.shards import Shard

IDS = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789._-", min_size=1, max_size=63)


@given(IDS, st.integers(1, 50))
def test_each_camera_has_one_shard(camera_id: str, count: int) -> None:
    assert sum(Shard(index, count).has(camera_id) for index in range(count)) == 1


@given(IDS, st.integers(1, 20))
def test_with_one_shard_more_a_camera_stays_or_moves_to_the_new_one(camera_id: str, count: int) -> None:
    (before,) = (index for index in range(count) if Shard(index, count).has(camera_id))
    (after,) = (index for index in range(count + 1) if Shard(index, count + 1).has(camera_id))

    assert after in (before, count)


def test_the_shards_are_about_equal_and_stay_what_they_are() -> None:
    ids = [f"camera-{number}" for number in range(1000)]
    sizes = [sum(Shard(index, 5).has(camera_id) for camera_id in ids) for index in range(5)]

    assert sum(sizes) == 1000
    assert all(150 < size < 250 for size in sizes), sizes
    lobby, yard = ([Shard(index, 5).has(camera_id) for index in range(5)] for camera_id in ("lobby", "yard"))
    assert (lobby.index(True), yard.index(True)) == (2, 0)  # of every version, or two pods have one camera


@pytest.mark.parametrize(
    ("text", "shard"),
    [("0/1", (0, 1)), ("2/5", (2, 5)), ("mien-cameras-2/5", (2, 5)), ("a.b-14/15", (14, 15))],
)
def test_shards_that_can_be(text: str, shard: tuple[int, int]) -> None:
    assert Shard.parse(text) == shard


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5/5", "the last of 5 is 4"),
        ("0/0", "no shard 0/0"),
        ("2", "as 2/5"),
        ("a/5", "as 2/5"),
        ("-1", "as 2/5"),
        ("²/5", "as 2/5"),
        ("2/", "as 2/5"),
    ],
)
def test_shards_that_cannot_be(text: str, said: str) -> None:
    with pytest.raises(SettingsInvalid, match=said):
        Shard.parse(text)
