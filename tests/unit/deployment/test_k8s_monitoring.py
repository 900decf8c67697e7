"""What the Prometheus operator and Grafana get: all that have metrics, and compose's dashboards."""

import manifests
from manifests import STAGES, WORKERS, of_kind, ours, overlay, pod_labels


def test_the_pod_monitor_is_about_all_that_have_metrics() -> None:
    objects = overlay("production")
    (monitor,) = of_kind(objects, "PodMonitor").values()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    found = manifests.selected(objects, monitor["spec"]["selector"])
    assert found == {*WORKERS, "live"}
    for name in found:
        (one,) = manifests.pod(ours(objects)[name])["containers"]
        assert endpoint["port"] in [port["name"] for port in one["ports"]]
    labels = pod_labels(objects)
    assert {labels[name][monitor["spec"]["jobLabel"]] for name in found} == {"mien"}  # the alerts' job
    (relabeling,) = endpoint["relabelings"]
    assert relabeling["targetLabel"] == "component"
    assert relabeling["sourceLabels"] == ["__meta_kubernetes_pod_label_app_kubernetes_io_component"]
    components = {labels[name]["app.kubernetes.io/component"] for name in found}
    assert components == {*STAGES, "camera", "probe", "live"}  # as compose's prometheus.yaml names them


def test_dashboards_are_the_files_that_compose_shows() -> None:
    folder = manifests.K8S / "monitoring" / "dashboards"
    boards = {
        name: config
        for name, config in of_kind(overlay("production"), "ConfigMap").items()
        if config["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
    }
    assert {f"mien-dashboard-{path.stem}" for path in folder.glob("*.json")} == set(boards)
    for config in boards.values():
        ((file, text),) = config["data"].items()
        assert text == (folder / file).read_text()
        assert (
            len(text) < 256 * 1024
        )  # the limit of an annotation, where somebody applies on the client's side
