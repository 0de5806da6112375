"""How many images a second the simulators render: median of 5, with the machine and the versions.

One thread, unless a number is given: `python benchmarks/render_speed.py 2`.
"""

import statistics
import sys
import time

import torch
from machine import describe

from synth2real.simulate import Digits, Eyes


def main() -> None:
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    print(describe())
    digits = [Digits(size=(side, side), channels=channels) for side, channels in ((28, 1), (28, 3), (8, 1), (64, 1))]
    eyes = [Eyes(), Eyes(channels=3), Eyes(preset="infrared")]
    for simulator, count in [(made, 4000) for made in digits] + [(made, 1000) for made in eyes]:
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
