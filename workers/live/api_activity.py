"""The API's answer about when faces were seen, over the last hour."""

import time
from datetime import UTC, datetime
from typing import Final

from workers.live.api_types import ActivityQuery, ActivityView, Asked, Route
from workers.live.asked_cameras import chosen
from workers.live.live_context import Live, refused
from workers.live_feed.activity_book import KEEP_S

BUCKETS_MAX: Final = 720
"""Of one camera: as many as a wide screen has room for."""


async def camera_activity(live: Live, asked: Asked) -> ActivityView:
    query: ActivityQuery = asked.query
    now_s = time.time()
    until_s = min(query.until.timestamp(), now_s) if query.until else now_s
    since_s = max(query.since.timestamp() if query.since else until_s - KEEP_S, now_s - KEEP_S)
    if (until_s - since_s) / query.bucket_s > BUCKETS_MAX:
        raise refused(400, f"bucket_s: more than {BUCKETS_MAX} buckets. Ask for longer ones, or less time.")
    wanted = chosen(live, asked.who, query)
    found = [name for name in live.activity.cameras() if name > query.cursor and wanted(name)]
    page = found[: query.limit]
    return ActivityView(
        [live.activity.of_camera(name, since_s, until_s, query.bucket_s) for name in page],
        max(live.past.counted_since, datetime.fromtimestamp(now_s - KEEP_S, UTC)),
        page[-1] if len(found) > len(page) else None,
    )


ROUTES: Final = (
    Route(
        "GET",
        "/camera-activity",
        "When faces were seen, and what they showed",
        camera_activity,
        ActivityView,
        query=ActivityQuery,
    ),
)
