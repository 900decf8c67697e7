"""`mien warp`: neutral photos, one a person, become labelled landmarks of people who show every emotion."""

from collections import Counter
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress

from models.samples.landmark_files import encode
from models.samples.picture_folders import tell
from models.samples.warped_photos import find_photos, load_shapes, make
from streams.settings import Settings
from workers import model_loading, output_files
from workers.commands.labelled_data import input_errors


class WarpedFile(msgspec.Struct, frozen=True):
    """What the file holds, and what it does not."""

    file: str
    faces: dict[str, int]
    """How many faces show each emotion."""
    people: int
    left_out: dict[str, str]
    """Photos without a face or not readable, and why."""
    lost: int
    """Warped photos in which no face was found."""


def run(folder: Path, shapes: Path, out: Path, settings: Settings, console: Console, seed: int) -> WarpedFile:
    """Warps the photos in ``folder`` by ICT-FaceKit's ``shapes`` and writes their landmarks to ``out``.

    Raises:
        SourceNotFound: if the folder or the file of shapes cannot be read.
        InputRefused: if there are no photos, no faces in them, or not all shapes.
        ModelUnusable: if the face networks are nowhere.
        OutputFailed: if ``out`` cannot be written; that its folder is there is checked before.
    """
    output_files.check_file(out)
    with input_errors():
        expressions = load_shapes(shapes)
        photos = find_photos(folder)
        with model_loading.open_engine() as engine, Progress(console=console) as bar:
            task = bar.add_task("People", total=len(photos))
            warped = make(
                photos,
                expressions,
                engine,
                max_pixels=settings.max_frame_pixels,
                seed=seed,
                progress=lambda done, _total: bar.update(task, completed=done),
            )
    if warped.left_out:
        console.print(
            f"{folder}: left out {tell(warped.left_out)}", markup=False, highlight=False, soft_wrap=True
        )
    output_files.write_bytes(out, encode(warped.arrays))
    return WarpedFile(
        str(out),
        dict(Counter(warped.arrays["label"].tolist())),
        len(set(warped.arrays["subject"].tolist())),
        {str(photo.path): photo.why for photo in warped.left_out},
        warped.lost,
    )


def show(warped: WarpedFile, console: Console) -> None:
    """Prints one line."""
    counts = ", ".join(f"{count} {emotion}" for emotion, count in warped.faces.items())
    lost = f"; in {warped.lost} more no face was found" if warped.lost else ""
    console.print(
        f"{warped.file}: {sum(warped.faces.values())} faces ({counts}) of {warped.people} people{lost}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
