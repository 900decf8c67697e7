"""Which cameras an answer is about: those that were asked for, and that may be seen."""

from collections.abc import Callable

from streams.messages.landmarks_message import CameraId
from workers.access.viewers import Viewer, matches
from workers.live.api_types import (
    OfCameras,
)
from workers.live.live_context import Live


def chosen(live: Live, who: Viewer, query: OfCameras) -> Callable[[str], bool]:
    """Whether a camera is one that was asked for, and that may be seen."""
    groups = live.access.current().groups

    def wanted(camera_id: str) -> bool:
        of_group = any(matches(groups.get(name, ()), camera_id) for name in query.group)
        named = not (query.camera or query.group) or camera_id in query.camera or of_group
        return named and who.may_see(camera_id)

    return wanted


def known_cameras(live: Live) -> set[CameraId]:
    return live.reader.truths.keys() | live.feed.last_event_s().keys()
