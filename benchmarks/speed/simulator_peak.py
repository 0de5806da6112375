"""Share of the machine's measured peak that the simulators reach.

What a simulator computes for an image is counted call by call: operations, and bytes that each call of torch reads and
writes. The peak is measured in the same run: operations a second of a matrix product, bytes a second of copies in
memory, and of copies that fit into a cache, as the images that are rendered at once do. Simulators consist of calls
with one operation or a few for each value, so bytes limit them; roots and exponentials take longer than a copy.

    python -m benchmarks.speed.simulator_peak [--rounds 5] [--threads 1] [--images 1000]
"""

import argparse

import torch

from benchmarks.lib.peak import PIECE, Counted, bytes_per_second, operations_per_second
from benchmarks.lib.results import Column, Row, show
from benchmarks.lib.timing import ROUNDS, interleaved, rates, timed
from synth2real.simulate import Blood, Eyes, Nuclei, Simulator

COLUMNS = (
    Column("simulator", "simulator"),
    Column("rate", "images/s", whole=True),
    Column("operations", "operations a pixel"),
    Column("bytes", "bytes a pixel"),
    Column("arithmetic", "of the peak of a matrix product"),
    Column("memory", "of copies in memory"),
    Column("cache", "of copies in a cache"),
)
SIMULATORS: dict[str, Simulator] = {
    "eyes, 36 x 60 x 1": Eyes(),
    "eyes, 36 x 60 x 3": Eyes(channels=3),
    "eyes, 128 x 128 x 1": Eyes(preset="infrared"),
    "nuclei": Nuclei(),
    "blood": Blood(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=1000)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rounds = arguments.rounds
    peaks = operations_per_second(rounds=rounds), bytes_per_second(rounds=rounds), bytes_per_second(PIECE, rounds)
    rows = [row(name, simulator, arguments.images, rounds, *peaks) for name, simulator in SIMULATORS.items()]
    settings = {f"10^9 {what} a second": round(peak / 1e9, 1) for what, peak in zip(WHAT, peaks, strict=True)}
    show("speed/simulator_peak", COLUMNS, rows, {"rounds": rounds, "images": arguments.images, **settings})


WHAT = ("operations", "bytes in memory", "bytes in a cache")


def row(name: str, simulator: Simulator, images: int, rounds: int, peak: float, memory: float, cache: float) -> Row:
    """What one simulator reaches."""
    seconds = interleaved({"": timed(lambda: simulator.labelled(images, 0))}, rounds)[""]
    rate = rates(images, seconds)
    with Counted() as counted:
        simulator.labelled(simulator.chunk, 0)
    operations, moved = (count / simulator.chunk for count in (counted.operations, counted.bytes))
    pixels, fast = simulator.size[0] * simulator.size[1], rate["median"]
    shares = {"arithmetic": operations * fast / peak, "memory": moved * fast / memory, "cache": moved * fast / cache}
    found = {"simulator": name, "rate": rate, "operations": operations / pixels, "bytes": moved / pixels}
    return {**found, **{what: f"{share:.1%}" for what, share in shares.items()}}


if __name__ == "__main__":
    main()
