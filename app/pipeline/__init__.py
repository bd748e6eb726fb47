"""One pass over all workloads, its schedule, and the process it runs in."""
