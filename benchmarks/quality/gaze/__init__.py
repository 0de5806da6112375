"""Benchmarks of gaze estimation."""
