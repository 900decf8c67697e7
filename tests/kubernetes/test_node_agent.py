"""The agent runs pods of the real control plane as a kubelet would: settings, probes, restarts and end."""

import json
import urllib.request
from typing import Any

import made_up_pods
import pytest
from cluster import Cluster
from control.plane import KubectlFailed
from made_up_pods import container, deployment, pod, server, shell

pytestmark = pytest.mark.kubernetes
TMP = {"name": "tmp", "emptyDir": {}}
AT_TMP = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108


ASKS = """
import os, pathlib, ssl, urllib.request
own = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
address = "https://{KUBERNETES_SERVICE_HOST}:{KUBERNETES_SERVICE_PORT}/api".format(**os.environ)
token = {"Authorization": "Bearer " + (own / "token").read_text()}
context = ssl.create_default_context(cafile=own / "ca.crt")
urllib.request.urlopen(urllib.request.Request(address, headers=token), context=context).close()
print((own / "namespace").read_text(), "answered")
"""


def phase(cluster: Cluster, namespace: str, name: str) -> str:
    return str(cluster.get("pod", name, f"--namespace={namespace}")["status"].get("phase"))


def state(cluster: Cluster, namespace: str, selector: str) -> dict[str, Any]:
    """Of the first container of the only pod."""
    (found,) = cluster.pods(namespace, selector)
    return dict((found["status"].get("containerStatuses") or [{}])[0])


def log_of(cluster: Cluster, namespace: str, made: dict[str, Any]) -> str:
    """What a pod wrote that runs once, and must succeed."""
    name = made["metadata"]["name"]
    cluster.apply(made, namespace=namespace)
    cluster.eventually(
        lambda: phase(cluster, namespace, name) in ("Succeeded", "Failed"), f"{name} has ended"
    )
    written = cluster.container_log(namespace, name, "main")
    assert phase(cluster, namespace, name) == "Succeeded", written
    return written


def ask(one: dict[str, Any], path: str) -> None:
    urllib.request.urlopen(f"http://{one['status']['podIP']}:8080{path}", timeout=10).close()


def test_environment_and_files_come_from_the_api(cluster: Cluster, namespace: str) -> None:
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "secret"},
        "stringData": {"word": "hush"},
    }
    cluster.apply({**settings, "data": {"LEVEL": "debug", "a.yaml": "a: 1"}}, secret, namespace=namespace)
    env = [
        {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "word"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "ALL", "value": "0.0.0.0"},  # noqa: S104
        {"name": "BOTH", "value": "$(APP)-$(LEVEL)-$$(LEVEL)"},
        made_up_pods.MY_IP,
    ]
    mounts = [
        {"name": "settings", "mountPath": "/etc/mien"},
        {"name": "secret", "mountPath": "/etc/mien/secret"},
        *AT_TMP,
    ]
    volumes = [
        {
            "name": "settings",
            "configMap": {"name": "settings", "items": [{"key": "a.yaml", "path": "b/c.yaml"}]},
        },
        {"name": "secret", "secret": {"secretName": "secret", "defaultMode": 0o444}},
        TMP,
    ]
    names = ["LEVEL", "WORD", "NODE", "APP", "ALL", "BOTH", "POD_IP"]
    program = (
        "import json, os, pathlib as p;"
        f"print(json.dumps({{n: os.environ[n] for n in {names}}} | {{'uid': os.getuid(), 'rules':"
        " p.Path('/etc/mien/b/c.yaml').read_text(), 'word': p.Path('/etc/mien/secret/word').read_text()}))"
    )
    one = made_up_pods.container(
        *("python", "-c", program),
        env=env,
        envFrom=[{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "none", "optional": True}}],
        volumeMounts=mounts,
    )

    # One volume lies in another, which has no such folder.
    found = json.loads(log_of(cluster, namespace, pod("reads", one, volumes=volumes)))

    ran = cluster.get("pod", "reads", f"--namespace={namespace}")
    assert found == {
        "LEVEL": "debug",
        "WORD": "hush",
        "NODE": ran["spec"]["nodeName"],
        "APP": "reads",
        "ALL": ran["status"]["podIP"],
        "BOTH": "reads-debug-$(LEVEL)",
        "POD_IP": ran["status"]["podIP"],
        "uid": 65534,
        "rules": "a: 1",
        "word": "hush",
    }


def test_nothing_of_one_pod_is_seen_by_another_or_by_the_machine(cluster: Cluster, namespace: str) -> None:
    write = "echo mine > /tmp/mine; ls /tmp; touch /etc/mine 2>&1 || echo read-only"
    one = shell(write, volumeMounts=AT_TMP)

    for name in ("first", "second"):
        written = log_of(cluster, namespace, pod(name, one, volumes=[TMP])).splitlines()
        assert written[0] == "mine"
        assert written[-1] == "read-only"


def test_init_containers_run_in_order_before_the_others(cluster: Cluster, namespace: str) -> None:
    def adds(name: str) -> dict[str, Any]:
        return shell(f"sleep 0.3; echo {name} >> /tmp/order", name=name, volumeMounts=AT_TMP)

    reads = shell("cat /tmp/order", volumeMounts=AT_TMP)
    order = pod("ordered", reads, initContainers=[adds("a"), adds("b"), adds("c")], volumes=[TMP])

    assert log_of(cluster, namespace, order).split() == ["a", "b", "c"]


def test_a_failed_init_container_fails_the_pod(cluster: Cluster, namespace: str) -> None:
    never = pod("never", shell("true"), initContainers=[shell("exit 7", name="check")])

    cluster.apply(never, namespace=namespace)

    cluster.eventually(lambda: phase(cluster, namespace, "never") == "Failed", "the pod has failed")
    status = cluster.get("pod", "never", f"--namespace={namespace}")["status"]
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 7
    assert "running" not in status["containerStatuses"][0]["state"]


def test_a_missing_config_map_is_waited_for(cluster: Cluster, namespace: str) -> None:
    one = shell("echo $A", envFrom=[{"configMapRef": {"name": "late"}}])
    cluster.apply(pod("patient", one), namespace=namespace)

    def reason() -> Any:
        return state(cluster, namespace, "app=patient").get("state", {}).get("waiting", {}).get("reason")

    cluster.eventually(lambda: reason() == "CreateContainerConfigError", lambda: f"it says {reason()}")
    cluster.kubectl("create", "configmap", "late", "--from-literal=A=there", f"--namespace={namespace}")

    cluster.eventually(lambda: phase(cluster, namespace, "patient") == "Succeeded", "the pod has run")
    assert cluster.container_log(namespace, "patient", "main") == "there\n"


def test_a_changed_config_map_changes_the_file(cluster: Cluster, namespace: str) -> None:
    rules = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rules"}}
    cluster.apply({**rules, "data": {"a": "old"}}, namespace=namespace)
    mount = [{"name": "rules", "mountPath": "/etc/mien"}]
    one = shell("until grep new /etc/mien/a; do sleep 0.2; done", volumeMounts=mount)
    volumes = [{"name": "rules", "configMap": {"name": "rules"}}]
    cluster.apply(pod("follows", one, volumes=volumes), namespace=namespace)
    cluster.eventually(lambda: phase(cluster, namespace, "follows") == "Running", "it runs")

    cluster.apply({**rules, "data": {"a": "new"}}, namespace=namespace)

    cluster.eventually(lambda: phase(cluster, namespace, "follows") == "Succeeded", "it has seen the change")


def test_a_container_that_fails_is_started_again_later_and_later(cluster: Cluster, namespace: str) -> None:
    cluster.apply(deployment("fails", shell("echo ran; exit 3"), replicas=1), namespace=namespace)

    cluster.eventually(
        lambda: state(cluster, namespace, "app=fails").get("restartCount", 0) >= 3, "it was restarted thrice"
    )
    cluster.eventually(
        lambda: "waiting" in state(cluster, namespace, "app=fails")["state"], "it waits for the next restart"
    )
    found = state(cluster, namespace, "app=fails")
    assert found["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert found["lastState"]["terminated"]["exitCode"] == 3


def test_a_job_completes_and_its_exit_codes_count(cluster: Cluster, namespace: str) -> None:
    template = {"spec": {"restartPolicy": "Never", **made_up_pods.pod_spec(shell("exit 0"))}}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"template": template},
    }

    cluster.apply(job, namespace=namespace)

    cluster.kubectl(
        "wait", "job/once", "--for=condition=Complete", "--timeout=90s", f"--namespace={namespace}"
    )


def test_liveness_restarts_and_readiness_takes_out_of_service(cluster: Cluster, namespace: str) -> None:
    cluster.apply(deployment("probed", server(), replicas=1), namespace=namespace)
    (one,) = cluster.eventually(lambda: cluster.ready_pods(namespace), "the pod is ready")

    ask(one, "/unready")
    cluster.eventually(lambda: not state(cluster, namespace, "")["ready"], "the pod is no longer ready")
    assert state(cluster, namespace, "")["restartCount"] == 0
    ask(one, "/hang")

    cluster.eventually(lambda: state(cluster, namespace, "")["restartCount"] == 1, "liveness restarted it")
    cluster.eventually(lambda: cluster.ready_pods(namespace), "the new process is ready")
    assert state(cluster, namespace, "")["lastState"]["terminated"]["exitCode"] == 0
    written = cluster.container_log(namespace, one["metadata"]["name"], "main").splitlines()
    assert written[1:3] == ["asked to end", "drained"]


@pytest.mark.parametrize(
    ("ready_after", "is_started"), [("true", True), ("false", False)], ids=["good", "bad"]
)
def test_an_exec_probe_decides(cluster: Cluster, namespace: str, ready_after: str, is_started: bool) -> None:
    probe = {"exec": {"command": [ready_after]}, "periodSeconds": 1}
    cluster.apply(pod("exec", shell("exec sleep 60", readinessProbe=probe)), namespace=namespace)

    cluster.eventually(lambda: phase(cluster, namespace, "exec") == "Running", "it runs")
    if is_started:
        cluster.eventually(lambda: cluster.ready_pods(namespace), "it is ready")
    else:
        with pytest.raises(KubectlFailed):
            cluster.kubectl(
                "wait", "pod/exec", "--for=condition=Ready", "--timeout=5s", f"--namespace={namespace}"
            )


def test_a_pod_that_is_deleted_may_drain(cluster: Cluster, namespace: str) -> None:
    cluster.apply(pod("drains", server({"DRAIN_S": "1"})), namespace=namespace)
    cluster.eventually(lambda: cluster.ready_pods(namespace), "the pod is ready")

    cluster.kubectl("delete", "pod", "drains", "--grace-period=20", f"--namespace={namespace}")

    assert cluster.container_log(namespace, "drains", "main").splitlines()[1:] == ["asked to end", "drained"]
    cluster.eventually(lambda: cluster.exit_codes(namespace) == {"drains": {"main": 0}}, "it ended with 0")


def test_one_that_does_not_end_in_time_is_killed(cluster: Cluster, namespace: str) -> None:
    cluster.apply(pod("stays", server({"DRAIN_S": "600"})), namespace=namespace)
    cluster.eventually(lambda: cluster.ready_pods(namespace), "the pod is ready")

    cluster.kubectl("delete", "pod", "stays", "--grace-period=2", f"--namespace={namespace}")

    assert cluster.container_log(namespace, "stays", "main").splitlines()[1:] == ["asked to end"]
    cluster.eventually(lambda: cluster.exit_codes(namespace) == {"stays": {"main": 137}}, "it was killed")


def test_what_must_be_done_before_the_end_is_done_before(cluster: Cluster, namespace: str) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo prepared > /tmp/said"]}}}
    says = "trap 'cat /tmp/said; exit 0' TERM; while :; do sleep 0.1; done"
    cluster.apply(
        pod("hook", shell(says, lifecycle=hook, volumeMounts=AT_TMP), volumes=[TMP]), namespace=namespace
    )
    cluster.eventually(lambda: phase(cluster, namespace, "hook") == "Running", "it runs")

    cluster.kubectl("delete", "pod", "hook", f"--namespace={namespace}")

    assert cluster.container_log(namespace, "hook", "main") == "prepared\n"


def test_a_sidecar_is_there_first_and_ends_last(cluster: Cluster, namespace: str) -> None:
    sidecar = server({"DRAIN_S": "1"}, restartPolicy="Always") | {"name": "sidecar"}
    main = shell(
        "python -c \"import urllib.request as u; print(u.urlopen('http://$POD_IP:8080/healthz').status)\""
    )

    written = log_of(
        cluster, namespace, pod("beside", main | {"env": [made_up_pods.MY_IP]}, initContainers=[sidecar])
    )

    assert written == "200\n"
    assert cluster.container_log(namespace, "beside", "sidecar").splitlines()[1:] == [
        "asked to end",
        "drained",
    ]


def test_a_service_is_found_by_its_name(cluster: Cluster, namespace: str) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    cluster.apply(
        {**service, "spec": {"selector": {"app": "web"}, "ports": [{"port": 8080}]}},
        pod("web", server()),
        namespace=namespace,
    )
    (web,) = cluster.eventually(lambda: cluster.ready_pods(namespace), "the server is ready")

    written = log_of(cluster, namespace, pod("asks", shell(f"getent hosts web.{namespace}.svc")))

    assert written.split()[0] == web["status"]["podIP"]


def test_a_name_leads_to_the_pod_that_is_behind_it_now(cluster: Cluster, namespace: str) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    asks = f"until getent hosts web.{namespace}.svc; do sleep 0.2; done"
    cluster.apply(
        {**service, "spec": {"selector": {"app": "web"}, "ports": [{"port": 8080}]}},
        pod("asks", shell(asks)),
        namespace=namespace,
    )
    cluster.eventually(lambda: phase(cluster, namespace, "asks") == "Running", "it asks")
    cluster.apply(pod("web", server()), namespace=namespace)

    cluster.eventually(lambda: phase(cluster, namespace, "asks") == "Succeeded", "it has an answer")

    web = cluster.get("pod", "web", f"--namespace={namespace}")
    assert cluster.container_log(namespace, "asks", "main").split()[0] == web["status"]["podIP"]


def test_a_pod_finds_the_api_server_and_who_it_is(cluster: Cluster, namespace: str) -> None:
    """In a folder that a link of this machine's leads to: /var/run."""
    made = pod("asks", container("python", "-c", ASKS), automountServiceAccountToken=True)

    written = log_of(cluster, namespace, made)

    assert written.split() == [namespace, "answered"]


def test_miens_image_runs_from_this_repository(cluster: Cluster, namespace: str) -> None:
    """As in the Dockerfile: entry point, variables, and a user who is not root."""
    mien = {
        "name": "main",
        "image": "registry.example/mien:0.1.0",
        "args": ["settings", "--json"],
        "securityContext": made_up_pods.SECURITY,
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}

    written = log_of(cluster, namespace, pod("mien", mien, securityContext=security))

    found = {one["variable"]: one["value"] for one in json.loads(written)["settings"]}
    ip = cluster.get("pod", "mien", f"--namespace={namespace}")["status"]["podIP"]
    assert found["MIEN_METRICS_HOST"] == ip
    assert found["MIEN_LOG_FORMAT"] == "json"
