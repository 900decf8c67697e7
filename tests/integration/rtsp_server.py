"""An RTSP camera for tests: GStreamer's server. Runs with Debian's own Python, which has the bindings.

    /usr/bin/python3 rtsp_server.py '{"codec": "h264", "size": [640, 480], …}'

Prints its port, serves at /live, and ends when its standard input does.
"""

import json
import sys
import threading
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

FAST = "tune=zerolatency speed-preset=ultrafast key-int-max=10"
ENCODERS = {
    "h264": f"x264enc {FAST} ! rtph264pay config-interval=1 pt=96",
    "h265": f"x265enc {FAST} ! rtph265pay config-interval=1 pt=96",
    "mjpeg": "jpegenc ! rtpjpegpay pt=26",
}
PATTERN = (
    "videotestsrc is-live=true pattern={2} ! video/x-raw,format=I420,width={0},height={1},framerate=20/1"
)


def launch(codec: str, size: list[int], lost: float, pattern: str) -> str:
    """The pipeline: a ball that moves (or another pattern), encoded, with a share of its packets lost."""
    pipeline = f"{PATTERN.format(*size, pattern)} ! {ENCODERS[codec]}"
    if lost:
        return f"( {pipeline} ! identity drop-probability={lost} name=pay0 )"
    return f"( {pipeline} name=pay0 )"


def sign_in(server: Any, factory: Any, user: str, password: str, digest: bool) -> None:
    """Only this user may look."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if digest:
        auth.set_supported_methods(GstRtsp().RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for right in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("viewer", right, True)
    factory.set_permissions(permissions)


def GstRtsp() -> Any:  # noqa: N802
    gi.require_version("GstRtsp", "1.0")
    from gi.repository import GstRtsp

    return GstRtsp


def main(wanted: dict[str, Any]) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(wanted.get("port", 0)))
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        launch(wanted["codec"], wanted["size"], wanted.get("lost", 0.0), wanted.get("pattern", "ball"))
    )
    if wanted.get("udp"):
        factory.set_protocols(GstRtsp().RTSPLowerTrans.UDP)
    if wanted.get("user"):
        sign_in(server, factory, wanted["user"], wanted["password"], wanted.get("digest", False))
    server.get_mount_points().add_factory("/live", factory)
    loop = GLib.MainLoop()
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
