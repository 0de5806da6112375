"""Quality from rendered digits to MNIST: every route, three seeds. `python benchmarks/fonts.py [--score]`."""

from protocols import bench, fonts

if __name__ == "__main__":
    bench(fonts)
