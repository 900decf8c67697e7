"""The metrics of many processes as one page of Prometheus' text format, or of OpenMetrics.

Lines are put together as they are, so that nothing gets lost on the way, exemplars neither.
"""

import re
from collections.abc import Mapping
from typing import Final

_HEADER: Final = re.compile(r"# (?:HELP|TYPE|UNIT) (\S+)")
_HAS_CAMERA: Final = re.compile(r"[{,]camera=\"")
_END: Final = "# EOF"


def merge(own: str, of_cameras: Mapping[str, str]) -> str:
    """One page of our own and those of cameras' processes, by the camera's id.

    A sample of theirs without a label ``camera`` gets it: without it, two processes' samples were one series.
    Samples of one metric stand together, as the format wants it.
    """
    headers: dict[str, dict[str, None]] = {}
    samples: dict[str, list[str]] = {}
    pages: list[tuple[str | None, str]] = [(None, own), *of_cameras.items()]
    for camera_id, page in pages:
        family = ""
        for line in page.splitlines():
            if header := _HEADER.match(line):
                family = header[1]
                kept = headers.setdefault(family, {})
                samples.setdefault(family, [])
                if camera_id is None or len(kept) < 3:
                    kept[line] = None
            elif line and not line.startswith("#"):
                samples.setdefault(family, []).append(line if camera_id is None else _of(camera_id, line))
    lines = [line for family, found in samples.items() for line in (*headers.get(family, ()), *found)]
    if own.rstrip().endswith(_END):
        lines.append(_END)
    return "\n".join(lines) + "\n"


def _of(camera_id: str, line: str) -> str:
    """The sample with the label ``camera``, if it has none."""
    sample, mark, exemplar = line.partition(" # ")
    name, brace, rest = sample.partition("{")
    if brace and _HAS_CAMERA.search(sample):
        return line
    if brace:
        sample = f'{name}{{camera="{camera_id}",{rest}'
    else:
        name, _, value = sample.partition(" ")
        sample = f'{name}{{camera="{camera_id}"}} {value}'
    return sample + mark + exemplar
