"""How many digits a second the simulator renders: median of 5, with the machine and the versions.

One thread, unless a number is given: `python benchmarks/render_speed.py 2`.
"""

import statistics
import sys
import time

import torch
from machine import describe

from synth2real.simulate import Digits


def main() -> None:
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    print(describe())
    for side, channels in ((28, 1), (28, 3), (8, 1), (64, 1)):
        digits, count = Digits(size=(side, side), channels=channels), 4000
        digits.sample(count, 0)
        seconds = []
        for seed in range(5):
            start = time.perf_counter()
            digits.sample(count, seed)
            seconds.append(time.perf_counter() - start)
        print(f"{side} x {side} x {channels}: {count / statistics.median(seconds):,.0f} images/s")


if __name__ == "__main__":
    main()
