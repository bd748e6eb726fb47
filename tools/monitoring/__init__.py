"""Dashboards, recording rules and alerts as code; `python -m tools.monitoring` writes them to k8s/monitoring."""
