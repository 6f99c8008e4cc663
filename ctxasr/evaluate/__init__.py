"""Metrics, significance and comparison of systems; what turns cost; fleets in virtual time."""
