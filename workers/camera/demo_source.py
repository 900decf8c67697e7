"""The demo camera: a scripted face in made-up pictures. Only ``demo:`` sources import this."""

import time
from typing import Final

from models.arrays import Picture
from models.staged.animate import Animation
from models.staged.expression_scripts import find_script
from streams.errors import SourceNotFound

DEMO_FPS: Final = 10.0
DEMO_SIZE_PX: Final = (640, 480)


class DemoSource:
    """A scripted face (``models.staged.animate``), delivered like a camera's pictures.

    The n-th ``read`` gives frame n of the animation, however late it is asked for.
    """

    live = True
    at_s = None
    codec = None

    def __init__(self, script: str, *, fps: float, seed: int) -> None:
        try:
            self._animation = Animation(find_script(script), fps, DEMO_SIZE_PX, seed)
        except (ValueError, OSError) as error:  # no such script; or no portrait
            raise SourceNotFound(str(error)) from error
        self.fps = fps
        self._index = 0
        self._due_s = time.monotonic()

    def read(self) -> Picture | None:
        now_s = time.monotonic()
        time.sleep(max(0.0, self._due_s - now_s))
        # A reader that was late does not get the missed frames in a burst.
        self._due_s = max(self._due_s, now_s) + 1 / self.fps
        frame = self._animation.frame(self._index)
        self._index += 1
        return frame

    def close(self) -> None:
        pass
