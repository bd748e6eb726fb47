"""The page for people: every workload, its forecast, and why the served number is what it is."""
