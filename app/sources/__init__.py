"""Where histories come from: anything that speaks the Prometheus API, CSV files, memory."""
