"""Who asks, and may they: authentication and authorization delegated to the Kubernetes API."""
