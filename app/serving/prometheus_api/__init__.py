"""The part of the Prometheus HTTP API that Grafana's own datasource and the usual clients call; it reaches ahead."""
