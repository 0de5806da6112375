"""Quality from MNIST to MNIST-M: every route, three seeds.

This protocol has one more route than the others. Its network is twice as wide and takes about four times as long.

    python -m benchmarks.quality.protocols.digits [--score]
"""

from collections.abc import Mapping

from benchmarks.lib.protocols import bench, digits, routes
from synth2real import Route
from synth2real.adapt import Teacher
from synth2real.randomize import Full


def with_wide() -> Mapping[str, Route]:
    """The routes of every protocol, and the teacher with a wider network."""
    return {**routes(), "teacher, wide": Route(randomize=Full(), adapt=Teacher(network="convolutional-wide"))}


if __name__ == "__main__":
    bench(digits, with_wide, __doc__)
