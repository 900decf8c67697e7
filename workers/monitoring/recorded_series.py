"""Series that Prometheus records: what alerts, objectives and dashboards share, and parts of long windows.

The names, with the labels that each has beside ``cluster`` and ``namespace``:

- ``mien:camera_known`` by camera: 1 for each camera that gave a sign of life in the last day.
- ``mien:camera_true`` by camera: 1 while it gives true pictures, else 0, also when nothing is left of it.
- ``mien:slo_total:rate5m``, ``mien:slo_bad:rate5m`` by slo: what counted for an objective, and what of it was
  bad, a second, over the last five minutes.
- ``mien:slo_bad:ratio_5m``, ``…_30m``, ``…_1h``, ``…_6h``, ``…_3d``, ``…_30d`` by slo: the bad share.
- ``mien:model_ratio:1h`` by measure and value: what the model answered in the last hour, as
  ``mien_reference_ratio`` has what its card leads one to expect.
"""

from typing import Final

from workers.monitoring.prometheus_rules import KNOWN_FOR, PROBE, Group, Recording, promql

WINDOWS: Final = ("30m", "1h", "6h")
LONG_WINDOWS: Final = ("3d", "30d")
"""Put together less often: they reach over tens of thousands of samples, and move slowly."""

_CAMERAS: Final = (
    Recording(
        "mien:camera_known",
        promql(f"""
            group by (cluster, namespace, camera) (
              last_over_time(mien_camera_up{{camera!="{PROBE}"}}[{KNOWN_FOR}])
              or last_over_time(mien_camera_state{{camera!="{PROBE}", state="ok"}}[{KNOWN_FOR}])
            )
        """),
    ),
    Recording(
        "mien:camera_true",
        promql(f"""
            min by (cluster, namespace, camera) (
              mien_camera_up{{camera!="{PROBE}"}}
              or mien_camera_state{{camera!="{PROBE}", state="ok"}}
            )
            or 0 * mien:camera_known
        """),
    ),
)

_FRESH: Final = (
    # What was dropped since it was late never comes to Redis: it counts as late, or an overload looked well.
    Recording(
        "mien:slo_total:rate5m",
        promql("""
            sum by (cluster, namespace) (
              rate(mien_frame_age_seconds_count{stage="state"}[5m])
              or rate(mien_frames_total{outcome=~"stale|undelivered"}[5m])
            )
        """),
        {"slo": "fresh"},
    ),
    Recording(
        "mien:slo_bad:rate5m",
        promql("""
            clamp_min(
              mien:slo_total:rate5m{slo="fresh"}
              - on (cluster, namespace)
              sum by (cluster, namespace) (rate(mien_frame_age_seconds_bucket{stage="state", le="0.5"}[5m])),
              0
            )
            or on (cluster, namespace) mien:slo_total:rate5m{slo="fresh"}
        """),
        {"slo": "fresh"},
    ),
)

_SEEN: Final = (
    # Camera seconds a second: the number of cameras, and how many of them were not true on average.
    Recording(
        "mien:slo_total:rate5m",
        "count by (cluster, namespace) (avg_over_time(mien:camera_true[5m]))",
        {"slo": "seen"},
    ),
    Recording(
        "mien:slo_bad:rate5m",
        "sum by (cluster, namespace) (1 - avg_over_time(mien:camera_true[5m]))",
        {"slo": "seen"},
    ),
)

_RIGHT: Final = (
    Recording(
        "mien:slo_total:rate5m",
        "sum by (cluster, namespace) (rate(mien_probe_events_total[5m]))",
        {"slo": "right"},
    ),
    Recording(
        "mien:slo_bad:rate5m",
        promql("""
            sum by (cluster, namespace) (rate(mien_probe_events_total{outcome=~"wrong|missing|late"}[5m]))
            or 0 * sum by (cluster, namespace) (rate(mien_probe_events_total[5m]))
        """),
        {"slo": "right"},
    ),
)


def _share(measure: str, metric: str, label: str, of: str = "") -> Recording:
    """The share of each value of ``label`` in ``metric``."""
    return Recording(
        "mien:model_ratio:1h",
        promql(f"""
            sum by (cluster, namespace, value) (
              label_replace(rate({metric}[1h]), "value", "$1", "{label}", "(.*)")
            )
            / on (cluster, namespace) group_left ()
            (sum by (cluster, namespace) (rate({of or metric}[1h])) > 0)
        """),
        {"measure": measure},
    )


_MODEL: Final = (
    _share("emotion_mix", "mien_emotions_total", "emotion"),
    _share("region_share", "mien_region_share_total", "region"),
    _share("own_baseline", "mien_baselines_total", "baseline"),
    _share("abstention", "mien_abstentions_total", "reason", of="mien_confidence_count"),
    Recording(
        "mien:model_ratio:1h",
        promql("""
            sum by (cluster, namespace, value) (
              label_replace(rate(mien_confidence_sum[1h]), "value", "$1", "baseline", "(.*)")
            )
            / (sum by (cluster, namespace, value) (
              label_replace(rate(mien_confidence_count[1h]), "value", "$1", "baseline", "(.*)")
            ) > 0)
        """),
        {"measure": "confidence"},
    ),
)


def _over(window: str) -> Recording:
    return Recording(
        f"mien:slo_bad:ratio_{window}",
        promql(f"""
            sum_over_time(mien:slo_bad:rate5m[{window}])
            / (sum_over_time(mien:slo_total:rate5m[{window}]) > 0)
        """),
    )


GROUPS: Final = (
    Group(
        "mien-recorded",
        (
            *_CAMERAS,
            *_FRESH,
            *_SEEN,
            *_RIGHT,
            Recording("mien:slo_bad:ratio_5m", "mien:slo_bad:rate5m / (mien:slo_total:rate5m > 0)"),
            *map(_over, WINDOWS),
            *_MODEL,
        ),
        "30s",
    ),
    Group("mien-recorded-long", tuple(map(_over, LONG_WINDOWS)), "2m"),
)
