"""Quality from MNIST to MNIST-M: every route, three seeds. `python benchmarks/digits.py [--score]`."""

from protocols import bench, digits

if __name__ == "__main__":
    bench(digits)
