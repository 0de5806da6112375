"""Metrics of boxes and of masks."""
