"""REST v1: workloads, their forecasts, and why the served number is what it is."""
