"""The API's answers about who asks: signing in and out, and tokens for the stream."""

import time
from typing import Final

import msgspec
from starlette.responses import Response

from streams.messages.emotion_event import time_of
from workers.access.signed_tokens import STREAM_S
from workers.live import front_door
from workers.live.api_pictures import may_show_faces
from workers.live.api_types import (
    Asked,
    Me,
    Route,
    SignIn,
    StreamToken,
)
from workers.live.asked_cameras import known_cameras
from workers.live.live_context import Live


async def me(live: Live, asked: Asked) -> Me:
    who, access = asked.who, live.access.current()
    seen = {
        name for camera in known_cameras(live) if who.may_see(camera) for name in access.groups_of(camera)
    }
    groups = sorted(seen | set(who.groups))
    return Me(
        who.name,
        who.role,
        list(who.groups),
        list(who.patterns),
        groups,
        signed_in=not live.access.is_open,
        pictures=live.settings.live_frames,
        may_show_faces=live.settings.live_frames and may_show_faces(live.settings, who),
    )


async def sign_in(live: Live, asked: Asked) -> Response:
    viewer, value = front_door.sign_in(live, asked.request, asked.body.token)
    answer = Response(
        msgspec.json.encode(await me(live, asked._replace(who=viewer))), media_type="application/json"
    )
    if value:
        front_door.set_cookie(live, asked.request, answer, value)
    return answer


async def sign_out(live: Live, asked: Asked) -> Response:
    front_door.refuse_other_sites(asked.request)
    answer = Response(status_code=204)
    front_door.set_cookie(live, asked.request, answer, "")
    return answer


async def stream_token(live: Live, asked: Asked) -> StreamToken:
    expires_s = int(time.time()) + STREAM_S
    return StreamToken(live.signer.sign("stream", asked.who, expires_s), time_of(expires_s * 1_000_000))


ROUTES: Final = (
    Route("GET", "/me", "Who you are, and what you may see", me, Me),
    Route("POST", "/session", "Sign in: sets a cookie", sign_in, Me, body=SignIn, public=True),
    Route("DELETE", "/session", "Sign out", sign_out, None, status=204, public=True),
    Route(
        "POST",
        "/stream-token",
        "A token with which a stream can be opened, for a minute",
        stream_token,
        StreamToken,
    ),
)
