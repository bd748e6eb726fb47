"""What `make bench-*` runs: prints tables, asserts nothing."""
