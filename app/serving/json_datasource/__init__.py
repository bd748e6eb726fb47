"""The API of Grafana's JSON datasource plugin (simpod-json-datasource), for who prefers it to PromQL."""
