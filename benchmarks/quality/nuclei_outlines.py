"""Outlines of rendered and real nuclei: how bright an image is where annotators end a nucleus.

For each nucleus that touches no other and no border, the light is averaged over the pixels within half a pixel of its
outline, where 0 is the background around it and 1 its middle. `level` is that of an image, the median over its nuclei;
the table has its 10, 50 and 90 percent quantiles over the images. Images are grouped by the median `elongation` (ratio
of the axes) and `radius` (of a circle of the same area, in pixels of 256) of their nuclei. Real images are the *dev*
part of the protocol *nuclei*, before they are halved.

    python -m benchmarks.quality.nuclei_outlines [--n 400] [--seed 0]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.lib.machine import describe
from benchmarks.lib.protocols import data_folder
from synth2real.simulate import Nuclei

SIDE = 256
BORDER, APART, CROWDED = 3, 6, 0.02  # pixels to the border and to others, and share of those that may be others'
LEAST, FEWEST = 60, 3  # pixels of a nucleus, and nuclei of an image
AROUND, MIDDLE = (5.0, 9.0), 0.6  # distances in which the background lies, and the middle, of the latter per radius
GROUPS = {  # elongation and radius, from and below
    "round, small": ((1.0, 1.2), (0.0, 8.0)),
    "round, large": ((1.0, 1.2), (8.0, np.inf)),
    "long, small": ((1.2, np.inf), (0.0, 8.0)),
    "long, large": ((1.2, np.inf), (8.0, np.inf)),
}

Image = NDArray[np.floating]
Instances = NDArray[np.integer]


def outline(image: Image, nucleus: NDArray[np.bool_], others: NDArray[np.bool_]) -> tuple[float, float, float] | None:
    """Elongation, radius in pixels and level of a nucleus; None if it is too small or too near to something else."""
    y, x = np.nonzero(nucleus)
    height, width = nucleus.shape
    inside = min(y.min(), x.min()) >= BORDER and y.max() < height - BORDER and x.max() < width - BORDER
    if len(y) < LEAST or not inside:
        return None
    within, beyond = (ndimage.distance_transform_edt(part) for part in (nucleus, ~nucleus))
    distance = np.where(nucleus, within - 0.5, 0.5 - beyond)  # from the outline inwards
    ring = ndimage.binary_dilation(nucleus, iterations=APART) & ~nucleus
    if others[ring].mean() > CROWDED:
        return None
    short, long = np.sqrt(np.linalg.eigvalsh(np.cov(x, y)))
    radius = np.sqrt(len(y) / np.pi)
    around, inner = (distance < -AROUND[0]) & (distance > -AROUND[1]) & ~others, distance > MIDDLE * radius
    if not around.any() or not inner.any():
        return None
    ground, middle = np.median(image[around]), np.median(image[inner])
    if middle <= ground:
        return None
    return long / short, radius, (image[abs(distance) <= 0.5].mean() - ground) / (middle - ground)


def of_images(images: Iterable[Image], instances: Iterable[Instances]) -> NDArray[np.float64]:
    """Medians (N, 3) of elongation, radius and level, over the nuclei of each image that has enough of them."""
    rows = []
    for image, numbers in zip(images, instances, strict=True):
        each = (
            outline(image, numbers == one, (numbers > 0) & (numbers != one)) for one in np.unique(numbers[numbers > 0])
        )
        found = [one for one in each if one is not None]
        if len(found) >= FEWEST:
            rows.append(np.median(found, 0))
    return np.array(rows).reshape(-1, 3)


def grouped(rows: NDArray[np.float64]) -> dict[str, tuple[int, list[float]]]:
    """For each of `GROUPS` the number of images, and the 10, 50 and 90 percent quantiles of their levels."""
    found = {}
    for name, limits in GROUPS.items():
        chosen = np.logical_and.reduce(
            [(low <= rows[:, i]) & (rows[:, i] < high) for i, (low, high) in enumerate(limits)]
        )
        levels = rows[chosen, 2]
        found[name] = len(levels), np.quantile(levels, (0.1, 0.5, 0.9)).tolist() if len(levels) else []
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=400, help="rendered images (default: 400)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(describe())
    rendered = Nuclei(size=(SIDE, SIDE)).sample(arguments.n, arguments.seed)
    assert rendered.instances is not None
    with np.load(data_folder() / "real_nuclei_dsb2018.npz") as arrays:
        real = of_images(arrays["dev_images"].astype(np.float64), arrays["dev_labels"])
    sets = {"real": real, "rendered": of_images(rendered.images[:, 0].double().numpy(), rendered.instances.numpy())}
    print(f"{'nuclei':14} {'':9} images   level: 10, 50 and 90 percent")
    for group in GROUPS:
        for name, rows in sets.items():
            count, levels = grouped(rows)[group]
            print(f"{group:14} {name:9} {count:6}   {' '.join(f'{level:.2f}' for level in levels)}")


if __name__ == "__main__":
    main()
