"""A simulator of its own, as Blender or Unity would be one: reads parameters, writes images and a metadata table.

It draws the light of a lamp on a wall. It knows nothing of synth2real: `python program.py parameters.yaml folder`.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import yaml
from PIL import Image


def main(parameters: Path, out: Path) -> None:
    """One image for each value of the parameters."""
    asked = yaml.safe_load(parameters.read_text())
    random = np.random.default_rng(asked["seed"])
    height, width = asked["size"]
    rows, columns = np.mgrid[:height, :width]
    with (out / "metadata.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "x", "y"])
        drawn = asked["parameters"]
        for i, (spread, power, wall) in enumerate(zip(drawn["spread"], drawn["power"], drawn["wall"], strict=True)):
            x, y = random.uniform(0.25, 0.75, 2) * (width, height) - 0.5
            light = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (spread * height) ** 2))
            image = (wall + power * light).clip(0, 1)
            Image.fromarray((255 * image).round().astype(np.uint8)).save(out / f"{i}.png")
            table.writerow([f"{i}.png", f"{x:.3f}", f"{y:.3f}"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
