"""Metrics, significance and comparison of systems."""
