"""Quality from rendered digits to MNIST: every route, three seeds.

python -m benchmarks.quality.protocols.fonts [--score]
"""

from benchmarks.lib.protocols import bench, fonts

if __name__ == "__main__":
    bench(fonts, description=__doc__)
