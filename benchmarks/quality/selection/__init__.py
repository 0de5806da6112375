"""Benchmarks of selection without real labels: validators, and the choice of a route or a strength."""
