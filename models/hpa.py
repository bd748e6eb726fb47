"""The HPA's law for an AverageValue target without tolerance, as arrays: what is asked for, and what is ready.

After the algorithm in the Kubernetes documentation of the HPA: wanted / target, rounded up; scaling in follows the
largest recommendation of the stabilization window. Without a tolerance the law has a closed form: by induction over
the steps, what is asked for is the largest recommendation of the window.
"""

import numpy as np
from numpy.typing import NDArray

from models.rolling import trailing_maximum, trailing_minimum

_ROUND_OFF = 1e-6  # 3 x 0.1 / 0.1 must be three pods, not four; float32

_Panel = NDArray[np.floating]


def asked_pods(wanted_pods: _Panel, *, hold_steps: int) -> _Panel:
    """Pods asked for at each column, at least one; wanted_pods: (rows, steps), unrounded."""
    return trailing_maximum(np.maximum(np.ceil(wanted_pods - _ROUND_OFF), 1), hold_steps + 1)


def ready_pods(asked: _Panel, *, lead_steps: int) -> _Panel:
    """Ready pods: the newest go first, so a pod is ready once asked has not been lower for lead_steps columns."""
    return trailing_minimum(asked, lead_steps + 1)
