"""Grafana dashboards as code: classic JSON, which every Grafana since 10 reads. `forescale dashboards` writes it."""
