"""The dashboard Pipeline: rate, errors and duration of each stage, what waits, is dropped, and is left."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Row

from workers.dashboards import panels
from workers.dashboards.panels import About, Panel, Query
from workers.dashboards.promql import NO_WAITING, mean, of_all, of_cameras, or_zero, quantile, rate, sum_by

_DROPPED: Final = "stale|superseded|undelivered|thinned"
_UP: Final = of_all("up", 'job="mien"')
_CLASSIFY: Final = of_all("up", 'job="mien", component="classify"')
_LETTERS: Final = of_all("mien_dead_letters_total")


def _frames(stage: str, outcomes: str) -> str:
    return sum_by("", rate(of_cameras("mien_frames_total", f'stage="{stage}", outcome=~"{outcomes}"')))


def content() -> list[Row | Panel]:
    """Headings and panels, in their order."""
    return [
        panels.row("Is everything there?"),
        panels.number(
            About(
                "Processes that answer",
                "Processes of each component that answered Prometheus' last scrape.",
                "short",
                panels.good_above(1, 1),
                alerts=("MienStageDown", "MienStageMissing"),
                width=16,
                height=5,
            ),
            Query(sum_by("component", _UP), "{{component}}"),
        ),
        panels.number(
            About(
                "Silent workers",
                "The longest time for which a worker that has work has finished none. Normal: seconds.",
                "s",
                panels.good_below(30, 60),
                alerts=("MienStageStalled", "MienWorkerStuck"),
                width=8,
                height=5,
            ),
            Query(f"max by (stage) ({of_all('mien_worker_silent_seconds')})", "{{stage}}"),
        ),
        panels.row("Rate, errors, duration"),
        panels.lines(
            About(
                "Rate",
                "What each stage finishes a second: frames in camera and landmarks, faces in classify and "
                "state. The lines of one unit lie on each other while nothing is lost.",
                "short",
                alerts=("MienStageStalled",),
            ),
            Query(_frames("camera", "published"), "frames sent"),
            Query(_frames("landmarks", "faces|no-face"), "frames looked at"),
            Query(sum_by("", rate(of_cameras("mien_faces_total"))), "faces found"),
            Query(sum_by("", rate(of_cameras("mien_baselines_total"))), "faces classified"),
            Query(sum_by("", rate(of_cameras("mien_state_events_total"))), "events kept"),
        ),
        panels.lines(
            About(
                "Errors",
                "Messages that a stage refused, a second, by reason: they lie in the topic dead-letters. "
                "Normal: none.",
                "short",
                panels.good_below(0.01),
                alerts=("MienDeadLetters",),
            ),
            Query(sum_by("stage, reason", rate(_LETTERS)), "{{stage}}: {{reason}}"),
        ),
        panels.lines(
            About(
                "Duration",
                "How long each step of each stage takes, but for waiting; of a hundred times, 99 are "
                "shorter.",
                "s",
                alerts=("MienFramesArriveLate",),
            ),
            Query(
                quantile(0.99, "mien_stage_duration_seconds", "stage, step", NO_WAITING),
                "{{stage}}: {{step}}",
            ),
        ),
        panels.lines(
            About(
                "Where time goes",
                "Seconds that the workers of a stage spend in each step, a second, but for waiting. With one "
                "worker, a stage whose steps come to 1 can do no more.",
                "short",
                width=12,
            ),
            Query(
                sum_by("stage, step", rate(of_all("mien_stage_duration_seconds_sum", NO_WAITING))),
                "{{stage}}: {{step}}",
            ),
            stacked=True,
        ),
        panels.lines(
            About(
                "Age after each stage",
                "Time since the capture when a stage is done with a live frame; 99 of a hundred are younger. "
                "The first stage that is high is the slow one.",
                "s",
                panels.good_below(0.5, 1),
                alerts=("MienFramesArriveLate",),
                width=12,
            ),
            Query(quantile(0.99, "mien_frame_age_seconds", "stage"), "{{stage}}"),
        ),
        panels.row("What waits, and what is dropped"),
        panels.lines(
            About(
                "Lag",
                "Messages that wait in each topic. It comes and goes; while it grows, a stage is slower than "
                "its input.",
                "short",
                panels.good_below(500),
                alerts=("MienLagGrows",),
            ),
            Query(sum_by("topic", of_all("mien_consumer_lag")), "{{topic}}"),
        ),
        panels.lines(
            About(
                "Share of frames dropped",
                "Frames that were given up since they were too late (stale), overtaken by a newer one "
                "(superseded), left out under load (thinned), or not taken by Kafka (undelivered). Normal: "
                "below 5 %.",
                "percentunit",
                panels.good_below(0.05),
                alerts=("MienFramesDropped",),
            ),
            Query(
                "("
                + or_zero(
                    sum_by("stage", rate(of_cameras("mien_frames_total", f'outcome=~"{_DROPPED}"'))),
                    sum_by("stage", rate(of_cameras("mien_frames_total"))),
                    "stage",
                )
                + f") / {sum_by('stage', rate(of_cameras('mien_frames_total')))}",
                "{{stage}}",
            ),
        ),
        panels.lines(
            About(
                "Frames by outcome",
                "What became of the frames, a second. Everything but `published`, `faces` and `no-face` did "
                "not go on.",
                "short",
                alerts=("MienFramesDropped",),
            ),
            Query(sum_by("stage, outcome", rate(of_cameras("mien_frames_total"))), "{{stage}}: {{outcome}}"),
            stacked=True,
        ),
        panels.row("What is left"),
        panels.lines(
            About(
                "Saturation",
                "Share of their time in which the workers of a stage had work in hand. Towards 100 % the "
                "stage needs more workers.",
                "percentunit",
                panels.good_below(0.8, 0.95),
                most=1,
                alerts=("MienNearMaximum",),
            ),
            Query(
                f"avg by (stage) ({rate(of_all('mien_worker_busy_seconds_total'))})",
                "{{stage}}",
            ),
        ),
        panels.levels(
            About(
                "Workers, of those that find work",
                "Workers of each stage, as a share of the partitions of the topic that it reads. At 100 % a "
                "further worker finds nothing to do: raise the partitions first.",
                "percentunit",
                panels.good_below(0.8, 1),
                most=1,
                alerts=("MienNearMaximum",),
            ),
            Query(
                f"count by (component) ({of_all('mien_assigned_partitions')} > 0)"
                f" / max by (component) ({of_all('mien_topic_partitions')})",
                "{{component}}",
            ),
        ),
        panels.lines(
            About(
                "Faces classified at once",
                "Mean size of a batch. It grows by itself under load, which makes each face cheaper.",
                "short",
            ),
            Query(mean("mien_batch_size"), "faces"),
        ),
        panels.row("What is unusual"),
        panels.lines(
            About(
                "Redis did not answer in time",
                "Times a second that a stage went on without Redis: for neutral faces, and for the places of "
                "faces that a worker hands over. Normal: 0.",
                "short",
                panels.good_below(0.01),
                width=12,
            ),
            Query(
                or_zero(
                    sum_by("", rate(of_all("mien_neutral_store_failures_total"))),
                    f"max({_CLASSIFY})",
                ),
                "neutral faces",
            ),
            Query(
                or_zero(
                    sum_by("", rate(of_all("mien_hand_over_failures_total"))),
                    sum_by("", rate(of_cameras("mien_faces_total"))),
                ),
                "places of faces",
            ),
        ),
        panels.lines(
            About(
                "Taken over, made again, mixed up",
                "In an hour: faces taken over from another worker (a rebalance), states made again from the "
                "log (Redis had lost something), and frames of two producers with one camera id (give each "
                "its own).",
                "short",
                width=12,
            ),
            *(
                Query(or_zero(sum_by("", f"increase({counter}[1h])"), there), legend)
                for counter, there, legend in (
                    (
                        of_cameras("mien_resumed_tracks_total"),
                        f"sum(increase({of_cameras('mien_faces_total')}[1h]))",
                        "faces taken over",
                    ),
                    (
                        of_all("mien_state_rebuilds_total"),
                        f"max({_UP})",
                        "states made again",
                    ),
                    (
                        of_cameras("mien_overlapping_frames_total"),
                        f"sum(increase({of_cameras('mien_faces_total')}[1h]))",
                        "frames of two producers",
                    ),
                )
            ),
        ),
    ]
