"""Dashboards' files as Grafana reads them."""

from workers.dashboards import board_queries
from workers.dashboards.board_queries import Shown, Target
from workers.dashboards.local_prometheus import Series


def test_variables_are_filled_in_and_groups_of_a_match_are_not() -> None:
    shown = Shown("c", "n", from_s=0, to_s=1200, scrape_interval_s=5, camera="a|b")

    filled = shown.fill(
        'label_replace(rate(x{cluster="$cluster", camera=~"${camera}"}[$__rate_interval]), "$1")'
    )

    assert filled == 'label_replace(rate(x{cluster="c", camera=~"a|b"}[20s]), "$1")'


def test_a_window_is_four_scrapes_or_a_step_and_one_more() -> None:
    assert Shown("c", "n", 0, 60, 15).fill("[$__rate_interval]") == "[60s]"
    assert Shown("c", "n", 0, 12_000, 15).fill("[$__rate_interval]") == "[115s]"


def test_panels_are_all_but_headings() -> None:
    board = {
        "panels": [
            {"type": "row", "title": "Now"},
            {
                "type": "stat",
                "title": "Up",
                "targets": [{"expr": "up", "legendFormat": "{{job}}"}, {"expr": "x", "instant": True}],
            },
        ]
    }

    (panel,) = board_queries.panels_of("wall", board)

    assert (panel.board, panel.title) == ("wall", "Up")
    assert panel.targets == (Target("up", "{{job}}", False), Target("x", "", True))


def test_legends() -> None:
    series = Series({"stage": "state", "step": "redis"}, [(0.0, 1.0)])

    assert board_queries.name_of(Target("x", "{{stage}}: {{step}}{{none}}", False), series) == "state: redis"
