"""Data for training and evaluation: landmark files and folders of pictures, several at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from models.samples import dataset
from models.samples.dataset import Samples
from models.samples.landmark_files import Arrays
from models.samples.picture_folders import Extraction, extract, find_pictures, tell
from streams.errors import InputRefused, SourceNotFound
from streams.settings import Settings
from workers import model_loading
from workers.terminal import progress_label


def load(
    paths: Sequence[Path],
    settings: Settings,
    console: Console,
    *,
    synthetic_share: float = 0.0,
    seed: int = 0,
) -> Samples:
    """Loads the faces of all files and folders, with all 468 points; tells on ``console`` what was left out.

    Raises:
        SourceNotFound: if one of them is missing or cannot be read.
        InputRefused: if one of them holds no labelled faces.
    """

    def read_folder(folder: Path) -> Arrays:
        return from_pictures(folder, settings, console).arrays

    console.print("Reading and aligning the landmarks …")
    with input_errors():
        samples = dataset.load(paths, synthetic_share=synthetic_share, seed=seed, read_folder=read_folder)
    console.print(f"{len(samples)} faces from {', '.join(samples.sources)}", highlight=False)
    return samples


def from_pictures(folder: Path, settings: Settings, console: Console) -> Extraction:
    """Finds the faces of a folder of labelled pictures, as the stream finds them.

    Raises:
        SourceNotFound: if the folder or a label in it cannot be read.
        InputRefused: if it holds no labelled pictures, or none of them shows a face.
        ModelUnusable: if the face networks are nowhere.
    """
    with input_errors():
        pictures, others = find_pictures(folder)
        with model_loading.open_engine() as engine, Progress(console=console) as bar:
            task = bar.add_task(progress_label(f"Faces of {folder.name}"), total=len(pictures))
            extraction = extract(
                pictures,
                engine,
                max_pixels=settings.max_frame_pixels,
                progress=lambda done, _total: bar.update(task, completed=done),
            )
    if others:
        console.print(f"{folder}: left out {tell(others)}", markup=False, highlight=False, soft_wrap=True)
    if extraction.left_out:
        console.print(
            f"{folder}: left out {len(extraction.left_out)} of {len(pictures)} pictures: "
            f"{tell(extraction.left_out)}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    return extraction


@contextmanager
def input_errors() -> Iterator[None]:
    """Turns what `models` raises about files into the errors of the command line, with their exit codes.

    Raises:
        SourceNotFound: of an OSError.
        InputRefused: of a ValueError.
    """
    try:
        yield
    except OSError as exc:
        raise SourceNotFound(f"{exc.filename or ''} cannot be read: {exc.strerror or exc}") from exc
    except ValueError as exc:
        raise InputRefused(str(exc), reason="bad-data") from exc
