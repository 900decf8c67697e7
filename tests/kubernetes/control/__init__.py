"""Kubernetes' own control plane and KEDA: built once, started on loopback with certificates of their own."""
