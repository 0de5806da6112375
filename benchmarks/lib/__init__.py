"""Code that several benchmarks share: protocols, metrics and the description of the machine."""
