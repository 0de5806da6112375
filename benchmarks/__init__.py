"""Benchmarks of speed and of quality; README.md lists them."""
