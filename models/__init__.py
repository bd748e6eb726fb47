"""Forecasting library: arrays in, arrays out. Knows nothing of services, clocks, networks or Kubernetes.

Flow: RawHistory -> Series -> Forecast -> Quantiles, one way; each noun is a frozen dataclass.
"""
