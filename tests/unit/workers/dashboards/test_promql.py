"""The forms that queries are put together from."""

from workers.dashboards import promql


def test_a_selector_names_one_mien_and_no_probe() -> None:
    assert promql.of_all("up", 'job="mien"') == 'up{cluster="$cluster", namespace="$namespace", job="mien"}'
    assert promql.of_cameras("mien_camera_up") == (
        'mien_camera_up{cluster="$cluster", namespace="$namespace", camera=~"$camera", camera!="mien-probe"}'
    )


def test_sums() -> None:
    assert promql.sum_by("", "x") == "sum(x)"
    assert promql.sum_by("a, b", "x") == "sum by (a, b) (x)"


def test_a_quantile_keeps_le() -> None:
    assert promql.quantile(0.9, "h", window="5m").startswith(
        "histogram_quantile(0.9, sum by (le) (rate(h_bucket{"
    )
    assert "sum by (stage, le)" in promql.quantile(0.9, "h", "stage")


def test_a_mean_is_over_the_same_time_and_labels() -> None:
    total, count = promql.mean("h", "stage", 'stage="a"', "5m").split(" / ")

    assert total.replace("h_sum", "h_count") == count
    assert count.startswith("sum by (stage) (rate(h_count{")


def test_zero_stands_in_by_label() -> None:
    assert promql.or_zero("a", "b") == "a or on () 0 * b"
    assert promql.or_zero("a", "b", "stage") == "a or on (stage) 0 * b"
