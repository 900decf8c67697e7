"""What stands for KEDA where its programs are not built: a group's lag as an external metric, an autoscaler.

The number is KEDA's own (scalers/kafka_scaler.go): with ``limitToPartitionsWithLag`` never more than
``lagThreshold`` for each partition that lags.
"""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from control.keda import ADAPTER, API, NAMESPACE, answer_for_external_metrics
from control.plane import ControlPlane

Resource = dict[str, Any]
GROUP = "external.metrics.k8s.io/v1beta1"
FASTER = 20
"""Times as fast as the manifests say do the tests scale; the steps are theirs."""


def lags(admin: AdminClient, group: str, topic: str, partitions: int) -> list[int]:
    """Messages that wait, for each partition; all there are where nothing was committed yet."""
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, p) for p in range(partitions)])
    committed = admin.list_consumer_group_offsets([asked])[group].result(30).topic_partitions
    ends = admin.list_offsets({TopicPartition(topic, p): OffsetSpec.latest() for p in range(partitions)})
    end = {one.partition: future.result(30).offset for one, future in ends.items()}
    return [end[one.partition] - max(one.offset, 0) for one in committed]


def metric(lag: list[int], threshold: int) -> int:
    return min(sum(lag), threshold * sum(1 for one in lag if one > 0))


def autoscaler(scaled: Resource) -> Resource:
    """What KEDA makes of a ScaledObject, of its trigger on lag alone."""
    spec, name = scaled["spec"], scaled["metadata"]["name"]
    (trigger,) = (one["metadata"] for one in spec["triggers"] if one["type"] == "kafka")
    behavior = json.loads(json.dumps(spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]))
    for direction in behavior.values():
        direction["stabilizationWindowSeconds"] //= FASTER
        for policy in direction["policies"]:
            policy["periodSeconds"] //= FASTER
    target = {"type": "AverageValue", "averageValue": trigger["lagThreshold"]}
    external = {"metric": {"name": f"{name}-lag"}, "target": target}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": spec["minReplicaCount"],
            "maxReplicas": spec["maxReplicaCount"],
            "metrics": [{"type": "External", "external": external}],
            "behavior": behavior,
        },
    }


@contextmanager
def lag_metrics(cluster: ControlPlane, kafka: str, scaled: Resource) -> Iterator[None]:
    """Answers for the one metric that `autoscaler` names, whatever namespace asks."""
    (trigger,) = (one["metadata"] for one in scaled["spec"]["triggers"] if one["type"] == "kafka")
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})

    def value() -> int:
        partitions = scaled["spec"]["maxReplicaCount"]
        lag = lags(admin, trigger["consumerGroup"], trigger["topic"], partitions)
        return metric(lag, int(trigger["lagThreshold"]))

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].strip("/")
            body: Resource = {"kind": "APIResourceList", "groupVersion": GROUP, "resources": []}
            if path != f"apis/{GROUP}":
                at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                name = path.rpartition("/")[2]
                item = {"metricName": name, "metricLabels": {}, "timestamp": at, "value": str(value())}
                kind = {"kind": "ExternalMetricValueList", "apiVersion": GROUP, "metadata": {}}
                body = {**kind, "items": [item]}
            answer = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing: it is asked every five seconds."""

    pair = cluster.authority.issue("lag", user="lag", hosts=f"DNS:{ADAPTER}.{NAMESPACE}.svc,DNS:localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        cluster.kubectl("create", "namespace", NAMESPACE)
        answer_for_external_metrics(cluster, server.server_port)
        yield
    finally:
        cluster.kubectl("delete", "apiservice", API, "--ignore-not-found")
        cluster.kubectl("delete", "namespace", NAMESPACE)
        server.shutdown()
        server.server_close()
        thread.join()
