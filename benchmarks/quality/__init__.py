"""Benchmarks that measure how well methods work."""
