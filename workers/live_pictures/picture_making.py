"""A frame → the JPEG that is sent. A pure function, for a thread: it takes some ms of a core."""

from typing import Final

from models.faces.pictures import PictureRefused, decode_jpeg, encode_jpeg, fit_width, jpeg_size_px
from workers.live_pictures.hidden_faces import hide_everything, hide_faces
from workers.live_pictures.picture_book import Chosen

WIDTH_PX: Final = 640
"""As wide a picture is sent, at most: a tile is no wider, and many are sent."""
QUALITY: Final = 80


def picture(chosen: Chosen, max_bytes: int, max_pixels: int) -> bytes | None:
    """The frame without what is to be hidden, and no wider than WIDTH_PX; None where it is no picture.

    It is made anew from pixels, so nothing else of the file is left, such as a small picture in EXIF.
    """
    jpeg, hide = chosen.frame.jpeg, chosen.hide
    try:
        width, _ = jpeg_size_px(jpeg)
        shrink = next((by for by in (8, 4, 2) if width // by >= WIDTH_PX), 1)
        rgb = fit_width(
            decode_jpeg(jpeg, max_bytes=max_bytes, max_pixels=max_pixels, shrink=shrink), WIDTH_PX
        )
    except PictureRefused:
        return None  # the landmarks stage tells of it
    if hide == "everything":
        rgb = hide_everything(rgb)
    elif hide != "nothing":
        rgb = hide_faces(rgb, hide)
    return encode_jpeg(rgb, QUALITY)
