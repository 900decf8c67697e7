"""The demo camera as a source."""

import threading
import time

import numpy as np
import pytest

from workers.camera.sources import open_source

MAX_PIXELS = 640 * 480


def test_the_demo_is_a_live_camera_of_the_wanted_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    slept: list[float] = []

    here = threading.current_thread()

    def sleep(seconds: float) -> None:
        nonlocal now_s
        if threading.current_thread() is not here:  # what another test has left running
            really_sleep(seconds)
            return
        slept.append(seconds)
        now_s += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    really_sleep = time.sleep
    monkeypatch.setattr(time, "sleep", sleep)
    source = open_source("demo:smile", fps=4, max_pixels=MAX_PIXELS)
    assert source.live
    assert source.fps == 4

    frames = [source.read() for _ in range(3)]
    now_s += 10  # a reader that was busy
    frames += [source.read() for _ in range(3)]

    assert slept == pytest.approx([0, 0.25, 0.25, 0, 0.25, 0.25])
    assert all(frame is not None and frame.shape == (480, 640, 3) for frame in frames)
    again = open_source("demo:smile", fps=4, max_pixels=MAX_PIXELS)
    assert all(np.array_equal(again.read(), frame) for frame in frames)


def test_demos_of_two_seeds_differ() -> None:
    a, b = (open_source("demo:calm", seed=seed, max_pixels=MAX_PIXELS).read() for seed in (1, 2))
    assert not np.array_equal(a, b)
