"""Cameras are shards of one list, none of which ever runs twice; topics are made once."""

import manifests
import pytest
import yaml
from manifests import OVERLAYS, of_kind, ours, overlay, pod

from workers.camera_fleet import camera_list

every_overlay = pytest.mark.parametrize("name", OVERLAYS)


@every_overlay
def test_each_pod_knows_its_number_and_how_many_there_are(name: str) -> None:
    cameras = ours(overlay(name))["cameras"]
    assert cameras["kind"] == "StatefulSet"  # at most one pod of a number, ever
    (container,) = pod(cameras)["containers"]
    assert container["args"] == ["cameras", "/etc/mien/cameras.yaml", "--shard", "$(SHARD)/$(SHARDS)"]
    shard, shards = container["env"]
    label = "metadata.labels['apps.kubernetes.io/pod-index']"
    assert shard == {"name": "SHARD", "valueFrom": {"fieldRef": {"fieldPath": label}}}
    assert shards == {"name": "SHARDS", "value": str(cameras["spec"]["replicas"])}


def test_an_overlay_says_how_many_shards_there_are_by_the_replicas_alone() -> None:
    assert ours(overlay("production"))["cameras"]["spec"]["replicas"] == 2


@every_overlay
def test_the_list_is_read_again_when_it_changes_and_holds_no_password(name: str) -> None:
    config = of_kind(overlay(name), "ConfigMap")["mien-cameras"]  # no hash: the pods are not rolled
    spec = pod(ours(overlay(name))["cameras"])
    (mount,) = (m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "cameras")
    assert mount == {"name": "cameras", "mountPath": "/etc/mien", "readOnly": True}
    assert {"name": "cameras", "configMap": {"name": "mien-cameras"}} in spec["volumes"]
    (listed,) = config["data"].values()
    assert camera_list.parse(listed, "cameras.yaml")
    cameras = yaml.safe_load(listed)["cameras"]
    assert len({camera["id"] for camera in cameras}) == len(cameras) > 0
    assert not any("@" in str(camera.get("source")) for camera in cameras)
    (sources,) = (m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "sources")
    files = [camera["source_file"] for camera in cameras if "source_file" in camera]
    assert all(file.rpartition("/")[0] == sources["mountPath"] for file in files)
    assert bool(files) == (name == "production")


@every_overlay
def test_two_producers_of_one_camera_are_never_there_at_once(name: str) -> None:
    assert ours(overlay(name))["probe"]["spec"]["strategy"] == {"type": "Recreate"}
    assert ours(overlay(name))["probe"]["spec"]["replicas"] == 1
    assert "updateStrategy" not in ours(overlay(name))["cameras"]["spec"]  # RollingUpdate: the old pod first


def test_topics_are_made_by_one_job_that_can_be_applied_again() -> None:
    job = ours(overlay("local"))["topics"]
    assert job["spec"]["ttlSecondsAfterFinished"] <= 60  # a Job with another image would be refused
    assert pod(job)["restartPolicy"] == "OnFailure"
    assert pod(job)["containers"][0]["args"] == ["topics", "--only-create"]


def test_strimzi_makes_them_in_its_place() -> None:
    assert of_kind(overlay("production"), "Job") == {}
    assert of_kind(overlay("production"), "KafkaTopic")


@every_overlay
def test_no_stage_has_another_container_that_could_make_topics(name: str) -> None:
    for what, workload in manifests.workloads(overlay(name)).items():
        assert len(pod(workload)["containers"]) == 1, what
        assert not pod(workload).get("initContainers"), what
