"""Speed of randomization: `randomize.Full` against kornia and albumentations, on the same list of operations.

Run `python benchmarks/randomize_speed.py`; a peer that is not installed is left out. Each library gets its own
native input: float32 batches in channels-last memory (ours), float32 batches (kornia), uint8 images one by one
(albumentations). The list: affine, elastic, contrast and brightness, inversion of half the images, noise, blur, one
cut-out. A machine that does other work slows many threads more than one: OMP_NUM_THREADS=1 is fairer there.
"""

import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from time import perf_counter

import torch

from synth2real.randomize import Full

CASES = ((256, 32), (16, 224))
REPEATS = 5
Run = Callable[[], object]


def ours(x: torch.Tensor) -> Run:
    policy, generator = Full(strength=0.5), torch.Generator().manual_seed(0)
    x = x.contiguous(memory_format=torch.channels_last)
    return lambda: policy.draw(x, generator)


def kornia(x: torch.Tensor) -> Run:
    import kornia.augmentation as K

    side = min(63, x.shape[-1] // 2 - 1)  # of the filter that smooths the displacement; smaller is faster
    sequence = K.ImageSequential(
        K.RandomAffine(15.0, (0.1, 0.1), (0.85, 1.15), 11.0, padding_mode="border", p=1.0),
        K.RandomElasticTransform((side, side), (side / 3, side / 3), p=1.0),
        K.RandomContrast((0.5, 2.0), p=1.0),
        K.RandomBrightness((0.6, 1.4), p=1.0),
        K.RandomInvert(p=0.5),
        K.RandomGaussianNoise(std=0.1, p=1.0),
        K.RandomGaussianBlur((5, 5), (0.1, 1.0), p=1.0),
        K.RandomErasing((0.01, 0.09), p=1.0),
    )
    return lambda: sequence(x)


def albumentations(x: torch.Tensor) -> Run:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations as A  # type: ignore[import-not-found, unused-ignore]

    compose = A.Compose(
        [
            A.Affine((0.85, 1.15), (-0.1, 0.1), rotate=(-15, 15), shear=(-11, 11), p=1),
            A.ElasticTransform(alpha=x.shape[-1], sigma=x.shape[-1] / 6, p=1),
            A.RandomBrightnessContrast(0.4, 0.5, p=1),
            A.InvertImg(p=0.5),
            A.GaussNoise((0.0, 0.15), p=1),
            A.GaussianBlur((3, 5), (0.1, 1.0), p=1),
            A.CoarseDropout((1, 1), (0.05, 0.3), (0.05, 0.3), p=1),
        ]
    )
    images = [image.numpy() for image in (x * 255).byte().permute(0, 2, 3, 1).contiguous()]
    return lambda: [compose(image=image)["image"] for image in images]


def seconds(run: Run) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def rates(count: int, size: int) -> dict[str, float | None]:
    """Images a second of each library, None where it is not installed. Turns are taken, so all meet the same load."""
    x = torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))
    runs: dict[str, Run | None] = {}
    for library in (ours, kornia, albumentations):
        try:
            runs[library.__name__] = library(x)
        except ImportError:
            runs[library.__name__] = None
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(REPEATS + 1):
        for name, run in runs.items():
            if run is not None:
                times[name].append(seconds(run))
    return {name: count / median(spent[1:]) if spent else None for name, spent in times.items()}


def installed(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} not installed"


def main() -> None:
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    print(", ".join(installed(name) for name in ("torch", "kornia", "albumentations")))
    print(f"images a second, median of {REPEATS}\n")
    print(f"{'images':<16}{'library':<16}{'images/s':>12}{'ours / theirs':>16}")
    for count, size in CASES:
        found = rates(count, size)
        for name, rate in found.items():
            ratio = f"{rate:12,.0f}{found['ours'] / rate:16.1f}" if rate and found["ours"] else f"{'not installed':>28}"
            print(f"{f'{count}x3x{size}x{size}':<16}{name:<16}{ratio}")


if __name__ == "__main__":
    main()
