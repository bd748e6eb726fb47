"""The running service: network, clock, environment and Kubernetes around the library in models/."""

__version__ = "0.1.0"
