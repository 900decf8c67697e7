"""The image without a Docker engine: the Dockerfile's own instructions, in a folder, and the chain from it.

It fetches half a gigabyte and takes a minute or two, so `make image-check` runs it, and not `make test`.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Chain, eventually

from streams.errors import LabMissing
from workers.local.chain import STAGES

ROOT = Path(__file__).parents[2]
MAX_MB = 600
"""Of site-packages. It was 1270 MB with the lab in it."""
LAB_AND_TOOLS = {
    "jax",
    "jaxlib",
    "mediapipe",
    "scipy",
    "skimage",
    "onnx",
    "pip",
    "setuptools",
    "pytest",
    "mypy",
}

pytestmark = pytest.mark.image


def build(folder: Path) -> Path:
    """Does the first step of the Dockerfile in a folder instead of an image; returns its /opt/mien."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    first_step = text.split("\nFROM ")[1]
    source = folder / "src"
    source.mkdir(parents=True)
    for name, arguments in re.findall(r"^([A-Z]+) +(.*)$", first_step, flags=re.MULTILINE):
        if name == "RUN":
            command = arguments.replace("/opt/", f"{folder}/opt/")
            command = re.sub(r"(?<![\w/])python ", f"{sys.executable} ", command)
            subprocess.run(["bash", "-euc", command], cwd=source, check=True, stdout=subprocess.DEVNULL)
        elif name == "COPY":
            *files, _ = arguments.split()
            for file in files:
                copy_into(source, ROOT / file)
    return folder / "opt" / "mien"


def copy_into(folder: Path, file: Path) -> None:
    if file.is_dir():
        shutil.copytree(
            file,
            folder / file.name,
            ignore=shutil.ignore_patterns("__pycache__", "from_wheels", ".mypy_cache"),
        )
    else:
        shutil.copy(file, folder)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("image"))


@pytest.fixture
def chain(
    image: Path, make_chain: Callable[..., Chain], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Chain:
    """Like the image's last step: its own program, and a home that holds nothing."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    chain = make_chain()
    chain.python = str(image / "bin" / "python")
    return chain


def test_it_is_small_and_holds_nothing_of_the_lab(image: Path) -> None:
    (packages,) = image.glob("lib/python3*/site-packages")
    size = sum(file.stat().st_blocks * 512 for file in packages.rglob("*") if not file.is_symlink())
    print(f"site-packages: {size / 2**20:.0f} MB")

    assert size < MAX_MB * 2**20
    assert {path.name for path in packages.iterdir()} & LAB_AND_TOOLS == set()


def test_the_chain_runs_from_it_to_redis(chain: Chain) -> None:
    chain.start_stages(*STAGES)
    chain.start("camera", "--camera", "lobby", "--source", "demo:cycle").wait_ready()

    (subject, *_) = eventually(chain.subjects, "a subject in Redis")

    assert subject["camera_id"] == "lobby"
    assert all(process.end() == 0 for process in chain.processes if process.running)


def test_a_picture_is_explained_and_the_lab_is_said_to_be_missing(image: Path, chain: Chain) -> None:
    (portrait,) = image.glob("lib/python3*/site-packages/models/from_wheels/*.png")

    status, out, err = chain.run("explain", str(portrait))
    assert (status, err) == (0, "")
    assert "Face 1" in out

    status, _, err = chain.run("bench", "decode")
    assert status == LabMissing.exit_code
    assert "mien[lab]" in err
    assert "Traceback" not in err
