"""Cluster Autoscaler's gRPC expander: which node group is to grow, by the price of a forecast pod-hour."""
