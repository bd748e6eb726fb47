"""The door for the HPA: external.metrics.k8s.io/v1beta1, answered from memory."""
