"""A subject's own neutral face outlives the worker that learnt it."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

from harness import Chain, eventually

from workers.local.chain import STAGES

CAMERA = "held"
FPS = 8


def test_a_killed_classify_goes_on_with_the_own_neutral_face_at_once(
    chain: Chain, pictures: Callable[[int], Path]
) -> None:
    stages = dict(zip(STAGES, chain.start_stages(*STAGES), strict=True))
    options = ["--source", str(pictures(118)), "--lossless", "--repeat", "--fps", str(FPS), "--json"]
    camera = chain.start("camera", "--id", CAMERA, *options)

    def baselines() -> list[str]:
        return [event["explanation"]["baseline"] for event in chain.events()]

    eventually(lambda: "subject" in baselines(), lambda: f"an own neutral face:\n{stages['classify'].err}")
    (key,) = eventually(lambda: chain.redis.keys("mien:*:neutral"), "Redis has it")
    assert 0 < chain.redis.ttl(key) <= chain.settings.subject_ttl_s
    before = baselines()
    first = before.index("subject")
    assert set(before[:first]) == {"population"}
    assert set(before[first:]) == {"subject"}

    assert stages["classify"].end(signal.SIGKILL) == -signal.SIGKILL
    killed_at = len(chain.events())
    again = chain.start("classify").wait_ready()
    eventually(lambda: len(chain.events()) >= killed_at + 3 * FPS, lambda: f"events:\n{again.err}")
    assert set(baselines()[killed_at:]) == {"subject"}
    assert again.totals("mien_baselines_total", "baseline")["population"] == 0

    assert camera.end() == 0, camera.err
    published = json.loads(camera.out)["published"]
    eventually(lambda: len(chain.seen()[CAMERA]) == published, "an event for each frame")
    (subject,) = chain.subjects()
    assert subject["last_explanation"]["baseline"] == "subject"
    assert again.end() == 0, again.err
    assert "Traceback" not in again.err
