"""What a fixed camera sees for two minutes, in grey: places, weather and light, and what goes wrong with it.

A place is a made-up room or yard (walls, doors, windows, tiles, all from its number), or a photograph of
scikit-image's. A happening changes it from second to second, and says what should be told of the camera.

What it cannot do: the rooms have no depth, and no lens or sensor is modelled beyond noise, gain and a fall of
light towards the corners.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import cv2
import numpy as np
from skimage import data

from models.arrays import F32
from models.faces.pictures import Plane

SIZE_PX: Final = (640, 360)
SECONDS: Final = 120
PHOTOGRAPHS: Final = (data.camera, data.coffee, data.rocket, data.chelsea)
PLACES: Final = 10
"""Six made-up ones and the photographs; higher numbers are made up, too."""


class Moment(NamedTuple):
    """What is known of one picture to make."""

    place: F32
    at_s: float
    rng: np.random.Generator


class Happening(NamedTuple):
    """Something that happens to a camera, and the state to be told of it; ``ok``: it is harmless."""

    name: str
    state: str
    picture: Callable[[Moment], F32]


def place(number: int) -> F32:
    """A place: grey levels of float32 ``[360, 640]``. Of the first `PLACES` the last are photographs."""
    made_up = PLACES - len(PHOTOGRAPHS)
    if made_up <= number < PLACES:
        photograph = np.asarray(PHOTOGRAPHS[number - made_up](), np.float32)
        grey = photograph if photograph.ndim == 2 else photograph.mean(axis=2)
        return np.asarray(cv2.resize(grey, SIZE_PX, interpolation=cv2.INTER_AREA), np.float32)
    rng = np.random.default_rng(number)
    width, height = SIZE_PX
    picture = np.full((height, width), rng.uniform(90, 190), np.float32)
    floor = int(height * rng.uniform(0.55, 0.8))
    picture[floor:] = rng.uniform(40, 110)
    for x in range(0, width, int(rng.integers(40, 90))):  # tiles
        cv2.line(
            picture, (width // 2 + (x - width // 2) // 2, floor), (x, height), (rng.uniform(20, 160),), 2
        )
    for _ in range(int(rng.integers(5, 12))):  # doors, windows, pictures, furniture
        x, y = int(rng.integers(0, width - 60)), int(rng.integers(0, floor - 20))
        w, h = int(rng.integers(25, 160)), int(rng.integers(25, 150))
        cv2.rectangle(picture, (x, y), (x + w, y + h), (rng.uniform(20, 240),), -1)
        cv2.rectangle(picture, (x, y), (x + w, y + h), (rng.uniform(10, 250),), 2)
        if rng.random() < 0.5:
            cv2.line(picture, (x + w // 2, y), (x + w // 2, y + h), (rng.uniform(10, 250),), 2)
    texture = cv2.GaussianBlur(rng.normal(0, 30, (height, width)).astype(np.float32), (0, 0), 2)
    return np.asarray(np.clip(picture + texture, 0, 255), np.float32)


def pictures(
    happening: Happening, number: int, seed: int, step_s: float = 1.0
) -> Iterator[tuple[float, Plane]]:
    """What the camera at a place sees while it happens: second and picture, for `SECONDS`."""
    rng = np.random.default_rng((seed, number))
    background = place(number)
    for index in range(round(SECONDS / step_s)):
        at_s = index * step_s
        picture = happening.picture(Moment(background, at_s, rng))
        yield at_s, as_seen(picture, rng)


def as_seen(picture: F32, rng: np.random.Generator, noise: float = 2.0) -> Plane:
    """With the noise of a sensor, which repeats no picture."""
    seen = picture + rng.normal(0, noise, picture.shape).astype(np.float32)
    return np.asarray(np.clip(np.round(seen), 0, 255), np.uint8)


def _calm(moment: Moment) -> F32:
    return moment.place


def _light_switched(moment: Moment) -> F32:
    """A lamp on the left goes off and on every half minute; what is left is daylight from the right."""
    across = np.linspace(0, 1, SIZE_PX[0], dtype=np.float32)
    lit = moment.at_s % 60 < 30
    return moment.place * (1.25 - 0.4 * across if lit else 0.2 + 0.25 * across)


def _lorry(moment: Moment) -> F32:
    """For a quarter of a minute it hides nearly everything, each minute."""
    into_s = moment.at_s % 60 - 20
    if not 0 <= into_s < 15:
        return moment.place
    picture = moment.place.copy()
    height, width = picture.shape
    picture[int(0.06 * height) :, :] = 150
    for letter in range(6):
        x = int(40 + letter * 100)
        cv2.rectangle(picture, (x, height // 3), (x + 50, height // 2), (60,), 3)
    cv2.circle(picture, (width // 4, height - 20), 45, (20,), -1)
    cv2.circle(picture, (3 * width // 4, height - 20), 45, (20,), -1)
    return picture


def _parked_lorry(moment: Moment) -> F32:
    """It stays, and hides the left half."""
    picture = moment.place.copy()
    half = picture.shape[1] // 2
    picture[20:, :half] = 170
    cv2.rectangle(picture, (60, 120), (250, 190), (40,), 3)
    return picture


def _night_mode(moment: Moment) -> F32:
    """Lit by the camera's own infrared: bright in the middle, dark corners, flat greys, much noise."""
    height, width = moment.place.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    lit = np.exp(-(x**2 + y**2) * 1.2)
    flat = 60 + 0.55 * moment.place
    lit_up: F32 = flat * (0.25 + lit) + moment.rng.normal(0, 6, moment.place.shape)
    return lit_up.astype(np.float32)


def _auto_exposure(moment: Moment) -> F32:
    """Gain that searches, with highlights burnt out."""
    gained: F32 = np.clip(moment.place * (1.1 + 0.6 * np.sin(moment.at_s / 3)), 0, 255)
    return gained.astype(np.float32)


def _rain(moment: Moment) -> F32:
    veiled = cv2.GaussianBlur(moment.place, (0, 0), 0.8) * 0.65 + 50
    streaks = np.zeros_like(moment.place)
    for _ in range(250):
        x, y = int(moment.rng.integers(0, SIZE_PX[0])), int(moment.rng.integers(0, SIZE_PX[1]))
        cv2.line(streaks, (x, y), (x + 3, y + 22), (45,), 1)
    return np.asarray(veiled + streaks, np.float32)


def _mist(moment: Moment) -> F32:
    return moment.place * 0.35 + 120


def _people(moment: Moment) -> F32:
    picture = moment.place.copy()
    for person in range(4):
        x = int((moment.at_s * (20 + 9 * person) + 170 * person) % SIZE_PX[0])
        cv2.ellipse(picture, (x, 250), (35, 105), 0, 0, 360, (40 + 45 * person,), -1)
        cv2.circle(picture, (x, 125), 26, (170,), -1)
    return picture


def _vibration(moment: Moment) -> F32:
    dx, dy = moment.rng.uniform(-4, 4, 2)
    return _shifted(moment.place, dx, dy)


def _sun_and_shadow(moment: Moment) -> F32:
    """The shadow of a wall's edge wanders over the place."""
    picture = moment.place.copy()
    edge = int(100 + moment.at_s * 3)
    corners = np.array([[0, 0], [edge, 0], [edge + 140, SIZE_PX[1]], [0, SIZE_PX[1]]], np.int32)
    shade = np.ones_like(picture)
    cv2.fillPoly(shade, [corners], (0.45,))
    return picture * shade


def _dusk(moment: Moment) -> F32:
    return moment.place * 0.22


def _dark(moment: Moment) -> F32:
    return moment.place * 0.02


def _hand(moment: Moment) -> F32:
    """Something near and out of focus."""
    height, width = moment.place.shape
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    return np.asarray(70 + 50 * x - 30 * y + 8 * np.sin(6 * x + moment.at_s / 20), np.float32)


def _paint(moment: Moment) -> F32:
    return np.asarray(cv2.GaussianBlur(moment.place, (0, 0), 40) * 0.05 + 35, np.float32)


def _paper(moment: Moment) -> F32:
    return np.full_like(moment.place, 205)


def _out_of_focus(moment: Moment) -> F32:
    return np.asarray(cv2.GaussianBlur(moment.place, (0, 0), 8), np.float32)


def _grease(moment: Moment) -> F32:
    return np.asarray(cv2.GaussianBlur(moment.place, (0, 0), 12) * 0.7 + 40, np.float32)


def _turned_away(moment: Moment) -> F32:
    """By a fifth of its view."""
    return _shifted(moment.place, 0.2 * SIZE_PX[0], 0.08 * SIZE_PX[1])


def _turned_far(moment: Moment) -> F32:
    return _shifted(moment.place, 0.5 * SIZE_PX[0], 0)


def _another_place(moment: Moment) -> F32:
    return np.ascontiguousarray(place(0 if moment.place.mean() > 120 else 3)[::-1, ::-1])


def _tilted(moment: Moment) -> F32:
    turn = cv2.getRotationMatrix2D((SIZE_PX[0] / 2, SIZE_PX[1] / 2), 25, 1.1)
    return np.asarray(cv2.warpAffine(moment.place, turn, SIZE_PX, borderMode=cv2.BORDER_REFLECT), np.float32)


def _shifted(picture: F32, dx: float, dy: float) -> F32:
    move = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return np.asarray(cv2.warpAffine(picture, move, SIZE_PX, borderMode=cv2.BORDER_REFLECT), np.float32)


HAPPENINGS: Final = (
    Happening("calm", "ok", _calm),
    Happening("light switched on and off", "ok", _light_switched),
    Happening("a lorry passes", "ok", _lorry),
    Happening("a lorry parks before half of it", "ok", _parked_lorry),
    Happening("night mode", "ok", _night_mode),
    Happening("auto-exposure", "ok", _auto_exposure),
    Happening("rain", "ok", _rain),
    Happening("mist", "ok", _mist),
    Happening("people", "ok", _people),
    Happening("vibration", "ok", _vibration),
    Happening("sun and shadow", "ok", _sun_and_shadow),
    Happening("dusk", "ok", _dusk),
    Happening("no light", "dark", _dark),
    Happening("a hand", "covered", _hand),
    Happening("paint", "covered", _paint),
    Happening("paper", "covered", _paper),
    Happening("out of focus", "blurred", _out_of_focus),
    Happening("grease", "blurred", _grease),
    Happening("turned by a fifth", "moved", _turned_away),
    Happening("turned by half", "moved", _turned_far),
    Happening("another place", "moved", _another_place),
    Happening("tilted by 25°", "moved", _tilted),
)
"""What is harmless first."""
