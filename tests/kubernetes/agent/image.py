"""What stands for an image: programs of this machine. Mien's is this repository with its .venv."""

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]
BIN = ROOT / ".k8s/bin"


@dataclass(frozen=True)
class Image:
    """An image's own settings, which a container's override; ``files`` are its files by their path in it."""

    environment: dict[str, str]
    entrypoint: list[str] = field(default_factory=list)
    user: int = 0
    folder: str = "/"
    files: dict[str, Path] = field(default_factory=dict)


KEDA_USER = 1000
KEDA = {
    "keda": {"/keda": BIN / "keda-operator"},
    "keda-metrics-apiserver": {"/keda-adapter": BIN / "keda-adapter"},
}


def image(name: str) -> Image:
    """That of ``mien`` or KEDA in any registry, with any tag; of another name, this machine's programs."""
    path = {"PATH": f"{ROOT / '.venv/bin'}:/usr/local/bin:/usr/bin:/bin"}
    short = name.rpartition("/")[2].partition("@")[0].partition(":")[0]
    if short in KEDA:
        return Image(path, user=KEDA_USER, files=KEDA[short])
    if short != "mien":
        return Image(path)
    variables = dockerfile_environment((ROOT / "Dockerfile").read_text())
    return Image({**variables, **path}, ["mien"], 10001, "/tmp")  # noqa: S108


def dockerfile_environment(text: str) -> dict[str, str]:
    """The variables that the last stage of a Dockerfile sets."""
    stage = text.rpartition("\nFROM ")[2]
    block = re.search(r"^ENV (?:.*\\\n)*.*$", stage, re.MULTILINE)
    return dict(re.findall(r"(\w+)=(\S+)", block[0])) if block else {}
