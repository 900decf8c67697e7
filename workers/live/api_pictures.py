"""The API's pictures of cameras: with faces hidden, or shown to who may see them, which is written down."""

import time
from typing import Final

from starlette.responses import Response

from streams import logs
from streams.messages.emotion_event import time_of
from streams.settings import Settings
from workers.access.viewers import Viewer
from workers.live.api_types import Asked, JpegPicture, PictureQuery, Route
from workers.live.asked_cameras import known_cameras
from workers.live.live_context import Live, refused

log = logs.get("mien.access")


def may_show_faces(settings: Settings, who: Viewer) -> bool:
    """Whether somebody may see faces in pictures."""
    role = settings.live_reveal_role
    return role != "nobody" and who.may(role)


async def picture(live: Live, asked: Asked) -> Response:
    camera_id: str = asked.path["camera_id"]
    query: PictureQuery = asked.query
    who, shown = asked.who, query.faces == "shown"
    if not live.settings.live_frames:
        raise refused(404, "This server shows no pictures: `mien live --frames` does.")
    if shown and not may_show_faces(live.settings, who):
        raise refused(403, f"Faces are shown to: {live.settings.live_reveal_role} (MIEN_LIVE_REVEAL_ROLE).")
    if not who.may_see(camera_id) or camera_id not in known_cameras(live):
        raise refused(404, "There is no such camera, or it is not yours to see.")
    found = await live.pictures.newest(camera_id, shown=shown)
    if found is None:
        return Response(status_code=204, headers={"cache-control": "no-store", "retry-after": "1"})
    if live.look_log.is_due(who.name, camera_id, query.faces, time.monotonic()):
        log.info("picture", who=who.name, role=who.role, camera=camera_id, faces=query.faces)
    about = {
        "cache-control": "no-store",
        "x-mien-frame-seq": str(found.frame.seq),
        "x-mien-run": str(found.frame.run),
        "x-mien-captured-at": time_of(found.frame.captured_at_us).isoformat().replace("+00:00", "Z"),
        "x-mien-faces": found.faces,
    }
    return Response(found.jpeg, headers=about, media_type="image/jpeg")


ROUTES: Final = (
    Route(
        "GET",
        "/cameras/{camera_id}/picture",
        "The newest picture of a camera, with faces hidden unless they are asked for",
        picture,
        JpegPicture,
        query=PictureQuery,
        logs_itself=True,
    ),
)
