"""`mien coverage` with a real Redis: its record, its map, and its errors."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from PIL import Image
from typer.testing import CliRunner

from streams.errors import RedisUnavailable, SettingsInvalid, SourceNotFound
from streams.local.child_process import free_ports
from streams.messages.landmarks_message import PictureSize
from streams.settings import Settings
from streams.store.coverage_store import COLUMNS, ROWS, Counts, Seen, coverage_key, today
from workers import cli
from workers.coverage import coverage_map, coverage_report
from workers.coverage.coverage_advice import View
from workers.coverage.coverage_report import Cell, Coverage
from workers.verbs import look_verbs

FACES = {
    Seen(0, 4, "small-face", "11"): 90,
    Seen(0, 4, "named"): 10,
    Seen(1, 4, "small-face", "8"): 100,
    Seen(9, 4, "named"): 180,
    Seen(9, 4, "low-confidence"): 20,
}
PICTURE = PictureSize(1280, 720, 1280)
ADVICE = (
    "Faces on the left are 8 px across the eyes and need 16 px (190 of 200). 90% of them would be read at "
    "2.0 times the size: bring the camera to 50% of its distance, or give it a lens of 2.0 times the focal "
    "length."
)


@pytest.fixture
def client(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    # Not by the environment: a verb that starts sets up the logs of this whole process.
    monkeypatch.setattr(look_verbs, "start", lambda: Settings(redis_url=redis_url))
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client


@pytest.fixture
def counted(client: redis.Redis) -> redis.Redis:
    fields = {seen.field: count for seen, count in FACES.items()}
    client.hset(coverage_key("door", today()), mapping=fields | {"picture": "1280x720 of 1280"})
    return client


def found(faces: dict[Seen, int] = FACES, picture: PictureSize | None = PICTURE) -> Coverage:
    return coverage_report.coverage("door", 7, Counts(faces, picture), View(16, picture))


def test_cells_are_put_together() -> None:
    coverage = found()

    assert coverage.cells == [
        Cell(0, 4, 100, 10, {"small-face": 90}),
        Cell(1, 4, 100, 0, {"small-face": 100}),
        Cell(9, 4, 200, 200, {}),
    ]
    assert (coverage.faces, coverage.read) == (400, 210)


def test_the_map_has_a_line_a_row_and_four_signs_a_cell() -> None:
    lines = coverage_report.heat_map(found()).plain.splitlines()

    assert [len(line) for line in lines] == [4 * COLUMNS] * ROWS
    assert lines[4].split() == ["10", "0", *"·" * 7, "100", *"·" * 6]


@pytest.mark.usefixtures("counted")
def test_the_verb_says_what_helps() -> None:
    ended = CliRunner().invoke(cli.app, ["coverage", "door"])

    assert ended.exit_code == 0
    assert ended.stdout.startswith("door, the last 7 days: 210 of 400 faces could be read (52%)")
    assert ADVICE in " ".join(ended.stdout.split())


@pytest.mark.usefixtures("counted")
def test_the_verb_prints_one_line_of_json(tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    ended = CliRunner().invoke(cli.app, ["coverage", "door", "--json", "--days", "1", "--out", str(out)])

    (line,) = ended.stdout.splitlines()
    record = json.loads(line)
    assert (record["camera_id"], record["days"], record["faces"], record["read"]) == ("door", 1, 400, 210)
    assert record["problems"] == [
        {
            "reason": "small-face",
            "where": "on the left",
            "faces": 200,
            "unread": 190,
            "enlarge": 2.0,
            "advice": ADVICE,
        }
    ]
    assert Image.open(io.BytesIO(out.read_bytes())).width == coverage_map.WIDTH_PX


@pytest.mark.usefixtures("client")
async def test_without_any_camera_it_says_so(redis_url: str) -> None:
    with pytest.raises(SourceNotFound, match="nothing of any camera yet"):
        await coverage_report.run(Settings(redis_url=redis_url), "door", days=None, fov_deg=None)


async def test_an_unknown_camera_is_told_which_there_are(counted: redis.Redis, redis_url: str) -> None:
    counted.hset(coverage_key("yard", today()), "0,0,named,", 1)

    with pytest.raises(SourceNotFound, match=r"camera attic was .* last 2 days\. .* of: door, yard\."):
        await coverage_report.run(Settings(redis_url=redis_url), "attic", days=2, fov_deg=None)


async def test_what_cannot_be_a_camera_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="1 to 63 letters"):
        await coverage_report.run(Settings(), "no camera", days=None, fov_deg=None)


async def test_without_redis_it_says_so() -> None:
    (port,) = free_ports(1)
    with pytest.raises(RedisUnavailable, match="does not answer"):
        await coverage_report.run(
            Settings(redis_url=f"redis://127.0.0.1:{port}"), "door", days=None, fov_deg=None
        )


@pytest.mark.parametrize(
    ("picture", "height_px"),
    [(None, 608), (PictureSize(1280, 720, 1280), 608), (PictureSize(720, 1280, 720), 1920)],
    ids=["not-known", "wide", "tall"],
)
def test_the_picture_has_the_camera_s_shape(picture: PictureSize | None, height_px: int) -> None:
    without = found({Seen(9, 4, "named"): 200}, picture)
    image = Image.open(io.BytesIO(coverage_map.coverage_map(without)))

    assert image.width == coverage_map.WIDTH_PX
    assert 0 < image.height - height_px < 140  # headline, legend and margins


@pytest.mark.parametrize(
    ("share", "count", "color"),
    [(1.0, 5, (0, 114, 178)), (0.0, 5, (213, 94, 0))],
    ids=["all-read", "none-read"],
)
def test_a_cell_has_the_colour_of_its_share(share: float, count: int, color: tuple[int, int, int]) -> None:
    outcome = "named" if share else "blurred"
    image = Image.open(io.BytesIO(coverage_map.coverage_map(found({Seen(0, 0, outcome): count}))))

    assert image.getpixel((25, 50)) == color
    assert image.getpixel((1000, 300)) == (236, 237, 240)  # nobody there


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1k"), (123_456, "123k"), (9_999_999, "9M"), (5 * 10**9, "5G")],
)
def test_counts_are_short(count: int, text: str) -> None:
    assert coverage_map.short(count) == text
