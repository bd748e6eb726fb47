"""Kubernetes as seen by the pipeline: LoadForecasts, lead times, status, the writer's lease."""
