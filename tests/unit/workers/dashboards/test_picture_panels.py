"""Each kind of panel, drawn from made-up answers: what stands in the picture."""

from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from workers.dashboards import panels, picture_panels
from workers.dashboards.board_queries import Shown, Target, panels_of
from workers.dashboards.boards import Board, document
from workers.dashboards.local_prometheus import Series
from workers.dashboards.panels import About, Query
from workers.dashboards.picture_panels import Answered

SHOWN = Shown("c", "n", 0.0, 60.0, 1.0)
ABOUT = About("A", "Says.", "s", panels.good_below(0.5, 1))


def drawn(panel: panels.Panel, *answers: list[Series]) -> Axes:
    """The panel, as a dashboard's file has it, with an answer a query."""
    board = document(Board("b", "B", "Says.", lambda: [panel]))
    (read,) = panels_of("b", board)
    axes = Figure().add_subplot()
    answered = [Answered(target, series) for target, series in zip(read.targets, answers, strict=True)]
    picture_panels.draw(axes, read.spec, answered, SHOWN)
    return axes


def series(*values: float, **labels: str) -> Series:
    return Series(labels, [(float(at), value) for at, value in enumerate(values)])


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_a_number_is_the_last_one_in_the_colour_of_its_threshold() -> None:
    axes = drawn(panels.number(ABOUT, Query("x", "{{a}}")), [series(2, 0.7, a="one"), series(0.1, a="two")])

    assert texts(axes) == ["700 ms", "one", "100 ms", "two"]
    assert [axes.texts[at].get_color() for at in (0, 2)] == [
        picture_panels.COLORS["yellow"],
        picture_panels.COLORS["green"],
    ]


def test_a_number_that_has_a_word() -> None:
    axes = drawn(
        panels.number(
            ABOUT, Query("x", "file"), texts={1: ("in force", panels.GREEN), 0: ("no", panels.RED)}
        ),
        [series(0)],
    )

    assert texts(axes) == ["no", "file"]


def test_lines_with_their_thresholds() -> None:
    axes = drawn(
        panels.lines(ABOUT, Query("x", "{{a}}")), [series(0.2, 0.7, a="one"), series(0.1, 0.3, a="two")]
    )

    assert [line.get_label() for line in axes.lines[:2]] == ["one", "two"]
    assert list(axes.lines[0].get_ydata()) == [0.2, 0.7]
    assert [line.get_ydata()[0] for line in axes.lines[2:]] == [0.5]  # 1 s is above what is shown


def test_stacked_lines_lie_on_each_other() -> None:
    axes = drawn(
        panels.lines(ABOUT, Query("x", "{{a}}"), stacked=True), [series(1, 2, a="one"), series(3, 4, a="two")]
    )

    assert list(axes.lines[1].get_ydata()) == [4, 6]


def test_a_line_of_zeros_lies_at_the_bottom() -> None:
    axes = drawn(panels.lines(ABOUT._replace(thresholds=[(None, "blue")]), Query("x", "a")), [series(0, 0)])

    assert axes.get_ylim() == (0, 1)


def test_many_series_do_not_flood_the_legend() -> None:
    many = [series(at, a=f"{at:02}") for at in range(40)]

    axes = drawn(panels.lines(ABOUT, Query("x", "{{a}}")), many)

    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        *(f"{at:02}" for at in range(7)),
        "and 33 more",
    ]


def test_bars() -> None:
    axes = drawn(
        panels.levels(ABOUT._replace(most=2), Query("x", "{{a}}")), [series(0.2, a="x"), series(1.5, a="y")]
    )

    assert [label.get_text() for label in axes.get_yticklabels()] == ["y", "x"]
    assert texts(axes) == ["1.5 s", "200 ms"]


def test_states_over_time() -> None:
    axes = drawn(
        panels.states(ABOUT, Query("x", "{{a}}"), {0: ("true", panels.GREEN), 1: ("lost", panels.RED)}),
        [series(0, 0, 1, a="gate")],
    )

    colors = [to_hex(bar.get_facecolor()) for bar in axes.patches[:3]]
    assert colors == [picture_panels.COLORS[name] for name in ("green", "green", "red")]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["true", "lost"]


def table(*queries: Query) -> panels.Panel:
    return panels.unit_of_column(
        panels.rows(ABOUT._replace(unit="short"), {"camera": "Camera"}, *queries), "Since", "s"
    )


def test_a_table_joins_its_queries_by_their_labels() -> None:
    axes = drawn(
        table(Query("x", "Up"), Query("y", "Since")),
        [series(1, camera="a"), series(0, camera="b")],
        [series(90, camera="b")],
    )

    assert texts(axes) == ["Camera", "Up", "Since", "a", "1", "–", "b", "0", "1.5 min"]


def test_a_table_of_one_query_has_its_largest_first() -> None:
    axes = drawn(
        panels.rows(ABOUT, {"camera": "Camera"}, Query("x", "Since")),
        [series(1, camera="a"), series(2, camera="b")],
    )

    assert texts(axes) == ["Camera", "Since", "b", "2 s", "a", "1 s"]


def test_an_empty_table_says_so() -> None:
    assert texts(drawn(panels.rows(ABOUT, {"camera": "Camera"}, Query("x", "Up")), [])) == [
        "Camera",
        "Up",
        "none",
    ]


def test_a_kind_of_panel_that_is_not_known() -> None:
    spec: dict[str, Any] = {"type": "piechart"}

    with pytest.raises(ValueError, match="piechart"):
        picture_panels.draw(Figure().add_subplot(), spec, [Answered(Target("x", "", False), [])], SHOWN)
