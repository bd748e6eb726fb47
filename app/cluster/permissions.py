"""Every call to the Kubernetes API that this service makes, named once.

`KubernetesApi` only takes calls from here, and a test compares this list with the Roles in k8s/ in both directions:
no call without a right, no right without a call.
"""

from dataclasses import dataclass
from typing import Literal

from app.workloads.spec import GROUP, PLURAL, VERSION

Verb = Literal["get", "list", "watch", "create", "update", "patch", "delete"]
LEASE_NAME = "forescale-status-writer"
CA_SECRET = "forescale-ca"  # noqa: S105 - the name of a Secret
SERVING_SECRET = "forescale-serving-cert"  # noqa: S105 - the name of a Secret
EXTERNAL_METRICS_API = "v1beta1.external.metrics.k8s.io"


@dataclass(frozen=True)
class Permission:
    """A verb on a resource. `resource` may carry a subresource after a slash; group "" is the core group.

    scope: "all" namespaces, only the service's "own" one, only that of Cluster Autoscaler ("autoscaler"), or "cluster"
    for objects without a namespace.
    name: the only object that is meant; None where the API cannot tell names apart (list, watch, create) or all are.
    """

    verb: Verb
    group: str
    version: str
    resource: str
    scope: Literal["all", "own", "autoscaler", "cluster"]
    name: str | None = None

    def path(self, *, namespace: str | None = None, name: str | None = None) -> str:
        """The path of the call; without `name` the collection's."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        resource, _, subresource = self.resource.partition("/")
        parts = [root, *(["namespaces", namespace] if namespace else []), resource]
        parts += [name] if name else []
        parts += [subresource] if subresource else []
        return "/".join(parts)


LIST_LOADFORECASTS = Permission("list", GROUP, VERSION, PLURAL, "all")
WATCH_LOADFORECASTS = Permission("watch", GROUP, VERSION, PLURAL, "all")
PATCH_STATUS = Permission("patch", GROUP, VERSION, f"{PLURAL}/status", "all")
LIST_PODS = Permission("list", "", "v1", "pods", "all")
WATCH_PODS = Permission("watch", "", "v1", "pods", "all")

CREATE_LEASE = Permission("create", "coordination.k8s.io", "v1", "leases", "own")
GET_LEASE = Permission("get", "coordination.k8s.io", "v1", "leases", "own", LEASE_NAME)
UPDATE_LEASE = Permission("update", "coordination.k8s.io", "v1", "leases", "own", LEASE_NAME)

SERVICE = frozenset(
    {
        LIST_LOADFORECASTS,
        WATCH_LOADFORECASTS,
        PATCH_STATUS,
        LIST_PODS,
        WATCH_PODS,
        CREATE_LEASE,
        GET_LEASE,
        UPDATE_LEASE,
    }
)
"""What the serving pods do, beside delegated authentication and authorization (two roles of Kubernetes' own)."""

PATCH_POD = Permission("patch", "", "v1", "pods", "all")

DRAIN = frozenset({PATCH_POD})
"""What spec.drain needs; the component k8s/components/drain gives it, and a policy of admission lets through no other
change of a pod than that of its deletion cost."""

CREATE_SECRET = Permission("create", "", "v1", "secrets", "own")
GET_CA = Permission("get", "", "v1", "secrets", "own", CA_SECRET)
UPDATE_CA = Permission("update", "", "v1", "secrets", "own", CA_SECRET)
GET_SERVING = Permission("get", "", "v1", "secrets", "own", SERVING_SECRET)
UPDATE_SERVING = Permission("update", "", "v1", "secrets", "own", SERVING_SECRET)
GET_APISERVICE = Permission("get", "apiregistration.k8s.io", "v1", "apiservices", "cluster", EXTERNAL_METRICS_API)
PATCH_APISERVICE = Permission("patch", "apiregistration.k8s.io", "v1", "apiservices", "cluster", EXTERNAL_METRICS_API)

CERTIFICATES = frozenset(
    {CREATE_SECRET, GET_CA, UPDATE_CA, GET_SERVING, UPDATE_SERVING, GET_APISERVICE, PATCH_APISERVICE}
)
"""What `forescale certificates` does, under a ServiceAccount of its own."""

LIST_NODES = Permission("list", "", "v1", "nodes", "cluster")

PRICES = frozenset({LIST_NODES})
"""Where pools are priced by their nodes; the component k8s/components/prices gives it."""

PRIORITIES_NAME = "cluster-autoscaler-priority-expander"
GET_PRIORITIES = Permission("get", "", "v1", "configmaps", "autoscaler", PRIORITIES_NAME)
APPLY_PRIORITIES = Permission("patch", "", "v1", "configmaps", "autoscaler", PRIORITIES_NAME)
CREATE_CONFIGMAP = Permission("create", "", "v1", "configmaps", "autoscaler")

EXPANDER = frozenset({GET_PRIORITIES, APPLY_PRIORITIES, CREATE_CONFIGMAP})
"""What it does with priority_expander_namespace; the component k8s/components/expander gives these rights. The one to
create cannot be limited to a name, as in Cluster Autoscaler's own Role."""

WATCH_NODES = Permission("watch", "", "v1", "nodes", "cluster")
LIST_NODECLAIMS = Permission("list", "karpenter.sh", "v1", "nodeclaims", "cluster")
WATCH_NODECLAIMS = Permission("watch", "karpenter.sh", "v1", "nodeclaims", "cluster")
LIST_BUFFERS = Permission("list", "autoscaling.x-k8s.io", "v1beta1", "capacitybuffers", "all")
PATCH_BUFFER = Permission("patch", "autoscaling.x-k8s.io", "v1beta1", "capacitybuffers", "all")
CREATE_BUFFER = Permission("create", "autoscaling.x-k8s.io", "v1beta1", "capacitybuffers", "all")
DELETE_BUFFER = Permission("delete", "autoscaling.x-k8s.io", "v1beta1", "capacitybuffers", "all")

HEADROOM = frozenset(
    {
        LIST_NODES,
        WATCH_NODES,
        LIST_NODECLAIMS,
        WATCH_NODECLAIMS,
        LIST_BUFFERS,
        PATCH_BUFFER,
        CREATE_BUFFER,
        DELETE_BUFFER,
    }
)
"""What it does besides with node_headroom; the component k8s/nodes/headroom gives these rights."""

GET_DEPLOYMENT = Permission("get", "apps", "v1", "deployments", "all")
GET_STATEFULSET = Permission("get", "apps", "v1", "statefulsets", "all")
GET_REPLICASET = Permission("get", "apps", "v1", "replicasets", "all")
LIST_DEPLOYMENTS = Permission("list", "apps", "v1", "deployments", "all")
PATCH_DEPLOYMENT = Permission("patch", "apps", "v1", "deployments", "all")
CREATE_DEPLOYMENT = Permission("create", "apps", "v1", "deployments", "all")
DELETE_DEPLOYMENT = Permission("delete", "apps", "v1", "deployments", "all")

BALLOONS = frozenset(
    {
        GET_DEPLOYMENT,
        GET_STATEFULSET,
        GET_REPLICASET,
        LIST_DEPLOYMENTS,
        PATCH_DEPLOYMENT,
        CREATE_DEPLOYMENT,
        DELETE_DEPLOYMENT,
    }
)
"""And where balloons hold the room; an admission policy of the component k8s/nodes/balloons limits them to balloons."""

REVIEW_ACCESS_OF_OTHERS = Permission("create", "authorization.k8s.io", "v1", "subjectaccessreviews", "cluster")

GET_OWN_DEPLOYMENT = Permission("get", "apps", "v1", "deployments", "own", "forescale")
LIST_NAMESPACES = Permission("list", "", "v1", "namespaces", "cluster")
LIST_HPAS = Permission("list", "autoscaling", "v2", "horizontalpodautoscalers", "all")

DOCTOR = frozenset(
    {
        GET_APISERVICE,
        LIST_LOADFORECASTS,
        REVIEW_ACCESS_OF_OTHERS,
        GET_OWN_DEPLOYMENT,
        GET_SERVING,
        LIST_NAMESPACES,
        LIST_HPAS,
    }
)
"""What `forescale doctor` does, with the rights of whoever runs it."""
