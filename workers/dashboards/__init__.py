"""Grafana dashboards as code, a run of everything that gives each query an answer, and pictures of both."""
