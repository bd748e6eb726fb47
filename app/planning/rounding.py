"""Whole pods. One place, since an HPA, a replay and a bill that round apart would disagree about the same load."""

import numpy as np
from numpy.typing import NDArray

ROUND_OFF = 1e-9  # 3 x 0.1 / 0.1 must be three pods, not four; app/workloads/quantity.py serves it so too


def whole_pods(pods: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounded up, but not for what is only an error of floating point; NaN stays."""
    whole: NDArray[np.float64] = np.ceil(pods - ROUND_OFF)
    return whole
