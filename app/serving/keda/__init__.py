"""KEDA's external scaler over gRPC, for clusters where KEDA owns the external metrics API."""
