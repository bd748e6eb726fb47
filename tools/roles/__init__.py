"""One table of roles (mesh/roles/roles.yaml) and everything that is made from it: mesh policies and Kubernetes RBAC."""
