"""The running service: network, clock, environment and Kubernetes around the library in models/."""
