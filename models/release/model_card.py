"""The head of a model card: the rows that say which artifact the card is about.

They are written by `mien train` and `mien export` and stand between two markers; all the rest of the card is
written by people and left alone.
"""

import re
from typing import Final

from models.emotion.classifier import Classifier

FILE: Final = "MODEL_CARD.md"
_BEGIN: Final = "<!-- the next rows are written by `mien export` -->"
_END: Final = "<!-- and end here -->"
_ROW: Final = re.compile(r"^\| (\w+) \| (.*) \|$", re.MULTILINE)


def facts(classifier: Classifier) -> dict[str, str]:
    """The rows of an artifact."""
    points = classifier.operating_points | classifier.own_operating_points
    return {
        "name": classifier.name,
        "version": f"`{classifier.version}`",
        "landmark_set": f"`{classifier.landmark_set.id}`",
        "trained_on": ", ".join(classifier.trained_on),
        "split_seed": str(classifier.split_seed),
        "operating_points": ", ".join(f"{name} (from {points[name].min_confidence:.2f})" for name in points),
    }


def refresh(card: str, classifier: Classifier) -> str:
    """The card with the artifact's rows in place of those that are there, or below its first line."""
    table = [
        "| artifact | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in facts(classifier).items()),
    ]
    head = "\n".join([_BEGIN, "", *table, "", _END])
    if _BEGIN in card and _END in card:
        before, _, rest = card.partition(_BEGIN)
        return before + head + rest.partition(_END)[2]
    title, _, rest = (card or f"# Model card: {classifier.name}\n").partition("\n")
    return f"{title}\n\n{head}\n{rest}"


def read(card: str) -> dict[str, str]:
    """The rows that `refresh` wrote; none when the markers are not there."""
    head = card.partition(_BEGIN)[2].partition(_END)
    return dict(_ROW.findall(head[0])) if head[1] else {}


def figures(card: str) -> str:
    """The section "Figures", up to the next heading of its kind; empty when there is none."""
    return re.split(r"^## ", card.partition("\n## Figures")[2], maxsplit=1, flags=re.MULTILINE)[0]
