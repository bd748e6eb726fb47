"""What an HPA's settings should be, read off a workload's own history, with the evidence: arithmetic only."""
