"""Speed of the simulators: rendered images per second.

    python -m benchmarks.speed.render [--rounds 5] [--threads 2] [--device cuda]

Digits, nuclei and blood are always rendered on the processor.
"""

import argparse
from typing import Literal

import torch

from benchmarks.lib.results import Column, show
from benchmarks.lib.timing import ROUNDS, interleaved, rates, timed
from synth2real.simulate import Blood, Digits, Eyes, Nuclei

COLUMNS = (Column("simulator", "rendering"), Column("rate", "images/s", whole=True))
DIGITS: tuple[tuple[int, Literal[1, 3]], ...] = ((28, 1), (28, 3), (8, 1), (64, 1))  # side and channels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="device that renders the eyes")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    digits = [Digits(size=(side, side), channels=channels) for side, channels in DIGITS]
    eyes = [
        Eyes(device=arguments.device),
        Eyes(channels=3, device=arguments.device),
        Eyes(preset="infrared", device=arguments.device),
    ]
    many = 1000 if arguments.device == "cpu" else 16_000
    made = [(made, 4000) for made in digits] + [(made, many) for made in eyes] + [(Nuclei(), 500), (Blood(), 500)]
    rows = []
    for simulator, count in made:
        seconds = interleaved({"": timed(lambda: simulator.labelled(count, 0))}, arguments.rounds)[""]
        (height, width), name = simulator.size, type(simulator).__name__
        shown = f"{name.lower()}, {height} x {width} x {simulator.channels}"
        rows.append({"simulator": shown, "rate": rates(count, seconds)})
    show("speed/render", COLUMNS, rows, {"rounds": arguments.rounds, "device": arguments.device})


if __name__ == "__main__":
    main()
