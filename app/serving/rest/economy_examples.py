"""Examples of the answers about money, of the same workload as the others."""

from typing import Any

_AT = "2026-01-31T14:05:00Z"

PRICES: dict[str, Any] = {
    "pools": [
        {
            "pool": "stateless-spot",
            "node_groups": "stateless-spot",
            "spot": True,
            "pods_per_node": 12,
            "node_hourly": 0.077,
            "currency": "USD",
            "source": "OpenCost",
            "nodes": 5,
            "priced": _AT,
            "stale": False,
            "pod_hour": 0.0193,
            "forecast_pods": 4,
            "trouble": "",
        }
    ],
    "trouble": "",
}

CHOICES: dict[str, Any] = {
    "items": [
        {
            "at": _AT,
            "chosen": ["asg-stateless-spot"],
            "currency": "USD",
            "text": "asg-stateless-spot: a forecast pod-hour costs 0.0193 USD there.",
            "weighed": [
                {
                    "group": "asg-stateless-spot",
                    "pool": "stateless-spot",
                    "nodes": 1,
                    "pods": 3,
                    "node_hourly": 0.077,
                    "pod_hour": 0.0193,
                    "fit": 12,
                    "forecast_pods": 4,
                    "life_hours": 6,
                    "text": "asg-stateless-spot: 1 x 0.077 USD an hour for 6 h carry 4 of the 12 pods that fit "
                    "on average, 0.0193 a pod-hour.",
                }
            ],
        }
    ]
}

SPOT: dict[str, Any] = {
    "namespace": "mcp",
    "name": "gateway",
    "workload_type": "Stateless",
    "on_demand_pods": 3,
    "spot_pods": 3,
    "spot_share": 0.5,
    "text": "3 of 6 pods are needed even by the low quantile and stay on demand; 3 may stand on spot nodes.",
}

SAVINGS: dict[str, Any] = {
    "namespace": "mcp",
    "name": "gateway",
    "missing_pod_price": 20,
    "pod_minute_money": 0.0001,
    "currency": "USD",
    "asked": 6876,
    "used": 5020,
    "needed": 6390,
    "hpa_only": 6800,
    "short": 15,
    "hpa_short": 180,
    "saved": 3224,
    "saved_share": 0.31,
    "saved_money": 0.3224,
    "text": "The forecast saved 31.0% of what the HPA alone would have cost: 76 pod-minutes more asked for, "
    "165 fewer short, on 1 days of which it acted on 1.",
    "days": [
        {
            "end": "2026-01-31T00:00:00Z",
            "hours": 24,
            "acted": True,
            "asked": 6876,
            "used": 5020,
            "needed": 6390,
            "hpa_only": 6800,
            "short": 15,
            "hpa_short": 180,
            "saved": 3224,
            "asked_money": 0.6876,
            "hpa_only_money": 0.68,
            "needed_money": 0.639,
            "saved_money": 0.3224,
        }
    ],
}

ECONOMY: dict[str, dict[str, Any]] = {"Prices": PRICES, "Choices": CHOICES, "Spot": SPOT, "Savings": SAVINGS}
"""Schema of the document -> an answer of that kind."""
