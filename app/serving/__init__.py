"""The doors: they read snapshots and never fetch, fit or plan."""
