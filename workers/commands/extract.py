"""`mien extract`: the landmarks of a folder of labelled pictures, in one file that is read fast."""

from collections import Counter
from pathlib import Path

import msgspec
from rich.console import Console

from models.samples.landmark_files import encode
from streams.settings import Settings
from workers import output_files
from workers.commands import labelled_data


class Extracted(msgspec.Struct, frozen=True):
    """What the file holds, and what it does not."""

    file: str
    faces: dict[str, int]
    """How many faces show each emotion."""
    subjects: int
    left_out: dict[str, str]
    """Pictures without a face or not readable, and why."""


def run(folder: Path, out: Path, settings: Settings, console: Console) -> Extracted:
    """Writes the labelled landmarks of ``folder`` to ``out``.

    Raises:
        SourceNotFound, InputRefused: as :func:`workers.commands.labelled_data.from_pictures`.
        OutputFailed: if ``out`` cannot be written; that its folder is there is checked before.
    """
    output_files.check_file(out)
    extraction = labelled_data.from_pictures(folder, settings, console)
    output_files.write_bytes(out, encode(extraction.arrays))
    subjects = set(extraction.arrays["subject"].tolist()) - {""}
    return Extracted(
        str(out),
        dict(Counter(extraction.arrays["label"].tolist())),
        len(subjects),
        {str(picture.path): picture.why for picture in extraction.left_out},
    )


def show(extracted: Extracted, console: Console) -> None:
    """Prints one line."""
    counts = ", ".join(f"{count} {emotion}" for emotion, count in extracted.faces.items())
    console.print(
        f"{extracted.file}: {sum(extracted.faces.values())} faces ({counts}), "
        f"{extracted.subjects} known subjects",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
