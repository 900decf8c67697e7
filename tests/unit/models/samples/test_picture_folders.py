"""Both layouts, on a made-up set: the portrait of the demo with known expressions."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.arrays import Picture
from models.faces.engine import DetectedFace, Detection, Roi, Tile
from models.faces.litert_engine import LiteRtEngine
from models.samples.landmark_files import unpack
from models.samples.picture_folders import (
    CK_EMOTIONS,
    CLASS_NAMES,
    LabelledPicture,
    LeftOut,
    extract,
    find_pictures,
    tell,
)
from models.staged.portrait import Head

MAX_PIXELS = 1_000_000


@pytest.fixture(scope="module")
def engine() -> Iterator[LiteRtEngine]:
    with LiteRtEngine() as engine:
        yield engine


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def sequence(folder: Path, name: str, frames: int, emotion: str | None = None) -> None:
    """Empty frames in CK+'s layout, and the file with its emotion. Without one its folder is empty."""
    subject, number = name.split("_")
    for frame in range(1, frames + 1):
        touch(folder / "cohn-kanade-images" / subject / number, f"{name}_{frame:08}.png")
    labels = folder / "Emotion" / subject / number
    labels.mkdir(parents=True, exist_ok=True)
    if emotion is not None:
        (labels / f"{name}_{frames:08}_emotion.txt").write_text(emotion)


def briefly(pictures: list[LabelledPicture]) -> list[tuple[str, str, str]]:
    return [(picture.path.stem, picture.label, picture.subject) for picture in pictures]


def test_cohn_kanade_gives_the_first_frame_as_neutral_and_the_last_three_as_the_emotion(
    tmp_path: Path,
) -> None:
    sequence(tmp_path, "S005_001", 11, "   3.0000000e+00\n")
    sequence(tmp_path, "S010_002", 5)  # without an emotion
    sequence(tmp_path, "S010_004", 3, "5.0\n")  # shorter than usual
    touch(tmp_path / "cohn-kanade-images", "S010/002/.DS_Store", "S010/004/._S010_004_00000001.png")
    pictures, left_out = find_pictures(tmp_path)
    assert briefly(pictures) == [
        ("S005_001_00000001", "neutral", "S005"),
        ("S005_001_00000009", "disgust", "S005"),
        ("S005_001_00000010", "disgust", "S005"),
        ("S005_001_00000011", "disgust", "S005"),
        ("S010_002_00000001", "neutral", "S010"),
        ("S010_004_00000001", "neutral", "S010"),
        ("S010_004_00000002", "happiness", "S010"),
        ("S010_004_00000003", "happiness", "S010"),
    ]
    assert left_out == []


@pytest.mark.parametrize(("number", "emotion"), list(enumerate(CK_EMOTIONS)))
def test_cohn_kanade_numbers_its_emotions(tmp_path: Path, number: int, emotion: str) -> None:
    sequence(tmp_path, "S005_001", 4, f"   {number:.7e}\n")
    assert find_pictures(tmp_path)[0][-1].label == emotion


@pytest.mark.parametrize("text", ["", "anger", "8.0", "-1", "2.5", "nan", "1 2"])
def test_a_label_that_is_no_emotion_stops_at_once(tmp_path: Path, text: str) -> None:
    sequence(tmp_path, "S005_001", 4, text)
    with pytest.raises(ValueError, match=r"S005_001_00000004_emotion\.txt: holds .* not the number"):
        find_pictures(tmp_path)


def test_cohn_kanade_without_its_labels(tmp_path: Path) -> None:
    touch(tmp_path, "cohn-kanade-images/S005/001/S005_001_00000001.png")
    with pytest.raises(ValueError, match="not Emotion: unpack"):
        find_pictures(tmp_path)


def test_a_folder_for_each_emotion(tmp_path: Path) -> None:
    touch(tmp_path, "Happy/2.JPG", "Happy/1.png", "Happy/notes.txt", "Happy/.hidden.png", "sad/ann/1.tiff")
    touch(tmp_path, "neutral/ann/1.png", "neutral/bob/1.png", "loose.png", "hapy/1.png", ".cache/1.png")
    pictures, left_out = find_pictures(tmp_path)
    assert briefly(pictures) == [
        ("1", "happiness", ""),
        ("2", "happiness", ""),
        ("1", "neutral", "ann"),
        ("1", "neutral", "bob"),
        ("1", "sadness", "ann"),
    ]
    assert left_out == [LeftOut(tmp_path / "hapy", "not an emotion's name")]


@pytest.mark.parametrize(
    ("name", "emotion"), [(name, emotion) for emotion, names in CLASS_NAMES.items() for name in names]
)
def test_common_names_of_emotions(tmp_path: Path, name: str, emotion: str) -> None:
    touch(tmp_path, f"{name}/1.png", f"{name.upper()}/2.png")
    assert {picture.label for picture in find_pictures(tmp_path)[0]} == {emotion}


@pytest.mark.parametrize("names", [(), ("a.png",), ("train/happy/1.png",), ("happy/notes.txt",)])
def test_no_labelled_pictures_says_what_was_looked_for(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path, *names)
    with pytest.raises(ValueError, match=r"looked for cohn-kanade-images/.*EMOTION/PICTURE.*contempt"):
        find_pictures(tmp_path)


def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        find_pictures(tmp_path / "none")
    touch(tmp_path, "file")
    with pytest.raises(NotADirectoryError, match="file"):
        find_pictures(tmp_path / "file")


def test_an_expression_is_in_the_landmarks_and_what_cannot_be_used_is_told(
    tmp_path: Path, engine: LiteRtEngine
) -> None:
    head = Head(1.2)
    sequence(tmp_path, "S005_001", 5, "5.0")
    folder = tmp_path / "cohn-kanade-images" / "S005" / "001"
    for frame, intensity in enumerate((0, 0.3, 0.8, 0.9, 1), start=1):
        grey = Image.fromarray(head.draw({"happiness": intensity})).convert("L")
        grey.save(folder / f"S005_001_{frame:08}.png")
    (folder / "S005_001_00000003.png").write_bytes(b"no picture")
    Image.new("L", (200, 200), 128).save(folder / "S005_001_00000004.png")
    pictures, _ = find_pictures(tmp_path)
    seen: list[tuple[int, int]] = []

    extraction = extract(
        pictures, engine, max_pixels=MAX_PIXELS, progress=lambda done, of: seen.append((done, of))
    )

    assert extraction.arrays["label"].tolist() == ["neutral", "happiness"]
    assert extraction.arrays["subject"].tolist() == ["S005", "S005"]
    landmarks_px = unpack(extraction.arrays)
    width_px = np.linalg.norm(landmarks_px[:, 61] - landmarks_px[:, 291], axis=1)
    assert width_px[1] > 1.1 * width_px[0]  # the mouth of a smile
    assert [(left.path.stem[-1], left.why) for left in extraction.left_out] == [
        ("3", "not-a-picture"),
        ("4", "no face"),
    ]
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_picture_cut_close_to_the_face_is_used(tmp_path: Path, engine: LiteRtEngine) -> None:
    """48×48 px, as in FER2013: the detector sees nothing."""
    photo = Head(1.0).draw({})
    (detection,) = engine.detect(photo)
    (face,) = engine.mesh(photo, [detection.roi])
    assert face is not None
    box = tuple(face.box_xyxy_px.astype(int).tolist())
    close = Image.fromarray(photo).crop(box).resize((48, 48))
    close.save(tmp_path / "close.png")
    assert engine.detect(np.asarray(close)) == []

    extraction = extract([LabelledPicture(tmp_path / "close.png", "fear", "")], engine, max_pixels=MAX_PIXELS)

    x, y, _ = np.ptp(unpack(extraction.arrays)[0], axis=0)
    assert 40 < x < 55
    assert 40 < y < 55


class NoFaces:
    """An engine to which every picture is an empty one."""

    def detect(self, picture_rgb: Picture, _tile_xyxy_px: Tile | None = None) -> list[Detection]:
        assert picture_rgb.shape == (64, 64, 3)
        return []

    def mesh(self, picture_rgb: Picture, rois: Sequence[Roi]) -> list[DetectedFace | None]:
        assert picture_rgb.shape == (64, 64, 3)
        return [None for _ in rois]


def test_none_usable_is_an_error(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "dark.png")
    Image.new("RGB", (2000, 1000)).save(tmp_path / "large.png")
    pictures = [LabelledPicture(tmp_path / f"{name}.png", "fear", "") for name in ("dark", "gone", "large")]
    with pytest.raises(ValueError, match="none of 3 pictures") as error:
        extract(pictures, NoFaces(), max_pixels=MAX_PIXELS)
    for words in (r"dark.png (no face)", "gone.png (No such file or directory)", "large.png (too-large)"):
        assert words in str(error.value)


def test_only_the_first_few_are_named() -> None:
    left_out = [LeftOut(Path(f"{i}.png"), "corrupt") for i in range(5)]
    assert tell(left_out, name=2) == "0.png (corrupt), 1.png (corrupt) and 3 more"
    assert tell(left_out[:1]) == "0.png (corrupt)"
