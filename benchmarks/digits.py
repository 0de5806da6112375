"""Quality from MNIST to MNIST-M: every route, three seeds. `python benchmarks/digits.py [--score]`.

One route more than on the other protocols has a network of twice the width, which costs about four times the seconds.
"""

from collections.abc import Mapping

from protocols import bench, digits, routes

from synth2real import Route
from synth2real.adapt import Teacher
from synth2real.randomize import Full


def with_wide() -> Mapping[str, Route]:
    """The usual routes, and the teacher with a wider network."""
    return {**routes(), "teacher, wide": Route(randomize=Full(), adapt=Teacher(network="convolutional-wide"))}


if __name__ == "__main__":
    bench(digits, with_wide)
