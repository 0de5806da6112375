"""Quality between MNIST and USPS, both ways: every route, three seeds. `python benchmarks/usps.py [--score]`."""

from protocols import bench, mnist_to_usps, usps_to_mnist

if __name__ == "__main__":
    bench(mnist_to_usps)
    bench(usps_to_mnist)
