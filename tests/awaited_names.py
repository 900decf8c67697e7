"""What dashboards name and other parts of issue 12 bring: to be deleted when all of it is here."""

METRICS: set[str] = {
    "mien_camera_state",
    "mien_camera_clock_offset_seconds",
    "mien:camera_true",
    "mien:model_ratio:1h",
    *(f"mien:slo_bad:ratio_{window}" for window in ("5m", "1h", "6h", "3d", "30d")),
}
ALERTS: set[str] = {"MienFreshBudgetBurns", "MienSeenBudgetBurns", "MienRightBudgetBurns"}
