"""The dashboard Model: how sure the answers are, and whether they drift from what the model card says."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Row

from workers.dashboards import panels
from workers.dashboards.panels import About, Panel, Query
from workers.dashboards.promql import mean, of_all, of_cameras, quantile, rate, sum_by

_EVENTS: Final = sum_by("", rate(of_cameras("mien_baselines_total")))
_OWN: Final = sum_by("", rate(of_cameras("mien_baselines_total", 'baseline="subject"')))
_EXPLAINS_MOST: Final = f"increase({of_all('mien_explaining_region_total')}[1h])"
_INCOMPLETE_LOGITS: Final = 0.001


def _share(metric: str, label: str) -> str:
    """Of all events: those with each value of the label."""
    return f"{sum_by(label, rate(of_cameras(metric)))} / scalar({_EVENTS})"


def _expected(measure: str) -> str:
    return _by_value("mien_reference_ratio", measure)


def _in_the_last_hour(measure: str) -> str:
    return _by_value("mien:model_ratio:1h", measure)


def _by_value(metric: str, measure: str) -> str:
    series = of_all(metric, f'measure="{measure}"')
    return f"max by (value) ({series})"


def _distance(measure: str) -> str:
    """Half the sum of all differences of two mixes: 0 the same, 1 nothing in common."""
    return f"0.5 * sum(abs({_in_the_last_hour(measure)} - {_expected(measure)}))"


def _beside_reference(title: str, says: str, measure: str) -> Panel:
    return panels.levels(
        About(title, says, "percentunit", most=1, height=9),
        Query(_in_the_last_hour(measure), "{{value}}"),
        Query(_expected(measure), "{{value}} (reference)"),
    )


def content() -> list[Row | Panel]:
    """Headings and panels, in their order."""
    return [
        panels.row("Which model, and does it drift?"),
        panels.rows(
            About(
                "Model in use",
                "Name, version and landmark set of the model, and how many workers use it. Two lines: "
                "workers with different models share the work, and their probabilities cannot be compared.",
                "short",
                width=12,
                height=6,
            ),
            {"name": "Name", "version": "Version", "landmark_set": "Landmarks"},
            Query(sum_by("name, version, landmark_set", of_all("mien_model_info")), "Workers"),
        ),
        panels.number(
            About(
                "Drift of the emotions",
                "How far the emotions of the last hour are from those of the model's test faces: 0 is the "
                "same mix, 100 % nothing in common. A place has a mood of its own, so watch for changes.",
                "percentunit",
                panels.good_below(0.4, 0.7),
                width=6,
                height=6,
                alerts=("MienAnswersDrift",),
            ),
            Query(_distance("emotion_mix"), "distance"),
        ),
        panels.number(
            About(
                "Drift of the reasons",
                "How far the regions that the answers rest on are from those of the model's test faces: 0 is "
                "the same, 100 % nothing in common. It moves when pictures change in kind: masks, another "
                "lens, less light.",
                "percentunit",
                panels.good_below(0.15, 0.3),
                width=6,
                height=6,
                alerts=("MienAnswersDrift",),
            ),
            Query(_distance("region_share"), "distance"),
        ),
        panels.row("How sure"),
        panels.lines(
            About(
                "Confidence",
                "Mean confidence of the answers, by the neutral face they are compared with, and what the "
                "model's test faces gave.",
                "percentunit",
                most=1,
            ),
            Query(mean("mien_confidence", "baseline"), "{{baseline}}"),
            Query(_expected("confidence"), "{{value}} (reference)"),
        ),
        panels.lines(
            About(
                "The least sure",
                "Confidence below which one answer in ten lies, by the neutral face they are compared with.",
                "percentunit",
                most=1,
            ),
            Query(quantile(0.1, "mien_confidence", "baseline"), "{{baseline}}"),
        ),
        panels.lines(
            About(
                "Abstention",
                "Share of the events that name no emotion, by reason; and how many were too unsure among the "
                "model's test faces.",
                "percentunit",
                alerts=("MienMostlyAbstains",),
                most=1,
            ),
            Query(_share("mien_abstentions_total", "reason"), "{{reason}}"),
            Query(_expected("abstention"), "{{value}} (reference)"),
        ),
        panels.row("What it answers"),
        panels.lines(
            About(
                "Emotions named",
                "Share of the events that name each emotion; the rest abstains.",
                "percentunit",
                most=1,
                width=16,
                height=9,
            ),
            Query(_share("mien_emotions_total", "emotion"), "{{emotion}}"),
            stacked=True,
        ),
        _beside_reference(
            "Emotions beside the reference",
            "Of the events of the last hour that name an emotion: the share of each, and its share among the "
            "model's test faces.",
            "emotion_mix",
        ),
        panels.row("Why it answers"),
        _beside_reference(
            "Regions beside the reference",
            "Share of each region of the face in the attributions of the last hour, and among the model's "
            "test faces.",
            "region_share",
        ),
        panels.rows(
            About(
                "Region that explains most",
                "Events of the last hour, by emotion and by the region with most attribution.",
                "short",
                height=9,
                decimals=0,
            ),
            {"emotion": "Emotion", "region": "Region"},
            Query(
                f"sort_desc({sum_by('emotion, region', _EXPLAINS_MOST)})",
                "Events",
            ),
        ),
        panels.lines(
            About(
                "Completeness error",
                "By how much attributions miss the change of score that they explain, in logits; of a "
                "hundred events, 99 miss by less. Normal: below 0.0001.",
                "sci",
                panels.good_below(0.0001, _INCOMPLETE_LOGITS),
                alerts=("MienExplanationIncomplete",),
                height=9,
            ),
            Query(quantile(0.99, "mien_completeness_error"), "99 %"),
        ),
        panels.row("Compared with what"),
        panels.lines(
            About(
                "Own neutral faces",
                "Share of the events that are compared with the subject's own face at rest, which is learnt "
                "in seconds, and the share that two minutes in view give. A corridor has few, and that is no "
                "fault.",
                "percentunit",
                most=1,
                width=12,
            ),
            Query(
                f"{_OWN} / {_EVENTS}",
                "own",
            ),
            Query(_expected("own_baseline"), "own (reference)"),
        ),
        panels.lines(
            About(
                "Subjects whose neutral face is known",
                "Neutral faces in the memory of all classify workers.",
                "short",
                width=12,
            ),
            Query(sum_by("", of_all("mien_own_neutral_subjects")), "subjects"),
        ),
    ]
