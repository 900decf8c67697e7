"""What dashboards name and other parts of issue 12 bring: to be deleted when all of it is here."""

METRICS: set[str] = {"mien_camera_state", "mien_camera_clock_offset_seconds"}
