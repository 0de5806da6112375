"""Quality between MNIST and USPS, in both directions: every route, three seeds.

python -m benchmarks.quality.protocols.usps [--score]
"""

from benchmarks.lib.protocols import bench, mnist_to_usps, usps_to_mnist

if __name__ == "__main__":
    bench(mnist_to_usps, description=__doc__)
    bench(usps_to_mnist, description=__doc__)
