"""Speed of the simulators: rendered images per second, median of 5 runs.

    python -m benchmarks.speed.render [--threads 2] [--device cuda]

Digits, nuclei and blood are always rendered on the processor.
"""

import argparse
import statistics
import time
from typing import Literal

import torch

from benchmarks.lib.machine import describe
from synth2real.simulate import Blood, Digits, Eyes, Nuclei

DIGITS: tuple[tuple[int, Literal[1, 3]], ...] = ((28, 1), (28, 3), (8, 1), (64, 1))  # side and channels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="device that renders the eyes")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(describe())
    digits = [Digits(size=(side, side), channels=channels) for side, channels in DIGITS]
    eyes = [
        Eyes(device=arguments.device),
        Eyes(channels=3, device=arguments.device),
        Eyes(preset="infrared", device=arguments.device),
    ]
    many = 1000 if arguments.device == "cpu" else 16_000
    made = [(made, 4000) for made in digits] + [(made, many) for made in eyes] + [(Nuclei(), 500), (Blood(), 500)]
    for simulator, count in made:
        simulator.labelled(simulator.chunk, 0)
        seconds = []
        for seed in range(5):
            start = time.perf_counter()
            simulator.labelled(count, seed)
            seconds.append(time.perf_counter() - start)
        (height, width), name = simulator.size, type(simulator).__name__
        print(f"{name} {height} x {width} x {simulator.channels}: {count / statistics.median(seconds):,.0f} images/s")


if __name__ == "__main__":
    main()
