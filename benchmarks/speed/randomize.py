"""Speed of randomization beside kornia, albumentations and torchvision, with the same list of operations.

    python -m benchmarks.speed.randomize [--rounds 5] [--lists usual camera chosen]

The row of a library that does not import says so. Each library gets its native input: float32 batches in channels-last
memory (ours), float32 batches (kornia), single uint8 images in two worker processes that return float32 batches
(albumentations). Lists of operations:

`usual`: affine, elastic, contrast and brightness, inversion of half the images, noise, blur, one cut-out. This is
`randomize.Full` without clutter and solarization, which the other libraries do not have.
`camera`: the same, with shot noise, motion blur and JPEG.
`chosen`: two operations for each image (`randomize.RandAugment`), of all these. kornia samples its two for a whole
batch; what means the same as ours is kornia on each image alone. kornia's and torchvision's own RandAugment have lists
of their own.

The libraries run in turns, so that all have the same load. If the machine does other work, many threads are slowed more
than one; set OMP_NUM_THREADS=1 for a fairer comparison.
"""

import argparse
import os
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.lib.results import Column, Row, show
from benchmarks.lib.timing import ROUNDS, interleaved, rates, ratios, timed
from synth2real.randomize import Full, Policy, RandAugment

CASES = ((256, 32), (16, 224))
LISTS = ("usual", "camera", "chosen")
WORKERS = 2
BATCHES = 4  # of albumentations' workers in one turn
CAMERA: dict[str, Any] = {"shot": 0.15, "motion": 0.25, "jpeg": 0.9}
COLUMNS = (
    Column("images", "images"),
    Column("list", "list"),
    Column("library", "library"),
    Column("rate", "images/s"),
    Column("ratio", "ours / theirs", whole=True),
)
Run = Callable[[], int]  # makes images and returns their number


def ours(x: torch.Tensor, kind: str) -> Run:
    without: dict[str, Any] = {"clutter": 0.0, "solarization": 0.0}
    alone = without | {"background": 0.0, "occluder": 0.0, "texture": 0.0}
    policies: dict[str, Callable[[], Policy]] = {
        "usual": lambda: Full(strength=0.5, **without),
        "camera": lambda: Full(strength=0.5, **without, **CAMERA),
        "chosen": lambda: RandAugment(strength=0.5, **alone),
    }
    policy, generator = policies[kind](), torch.Generator().manual_seed(0)
    x = x.contiguous(memory_format=torch.channels_last)
    return lambda: len(policy.draw(x, generator)[0])


def kornia(x: torch.Tensor, kind: str) -> Run:
    import kornia.augmentation as K

    side = min(63, x.shape[-1] // 2 - 1)  # size of the filter that smooths the displacement; a smaller one is faster
    smear = max(3, x.shape[-1] // 8 | 1)  # pixels, as ours at this strength
    usual = [
        K.RandomAffine(15.0, (0.1, 0.1), (0.85, 1.15), 11.0, padding_mode="border", p=1.0),
        K.RandomElasticTransform((side, side), (side / 3, side / 3), p=1.0),
        K.RandomContrast((0.5, 2.0), p=1.0),
        K.RandomBrightness((0.6, 1.4), p=1.0),
        K.RandomInvert(p=0.5),
        K.RandomGaussianNoise(std=0.1, p=1.0),
        K.RandomGaussianBlur((5, 5), (0.1, 1.0), p=1.0),
        K.RandomErasing((0.01, 0.09), p=1.0),
    ]
    camera = [  # kornia has no shot noise; Gaussian noise replaces it
        K.RandomMotionBlur((3, max(5, smear)), 180.0, (-0.1, 0.1), p=1.0),
        K.RandomGaussianNoise(std=0.1, p=1.0),
        K.RandomJPEG((55, 100), p=1.0),
    ]
    listed = usual if kind == "usual" else usual + camera
    sequence = K.ImageSequential(*listed, random_apply=2 if kind == "chosen" else False)
    return batches(sequence, x)


def kornia_randaugment(x: torch.Tensor, kind: str) -> Run:
    from kornia.augmentation.auto import RandAugment as Theirs

    return batches(Theirs(n=2, m=15), x)


def torchvision_randaugment(x: torch.Tensor, kind: str) -> Run:
    from torchvision.transforms.v2 import RandAugment as Theirs

    return batches(Theirs(), (x * 255).byte())


def batches(augment: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> Run:
    return lambda: len(augment(x))


def singly(build: Callable[[torch.Tensor, str], Run]) -> Callable[[torch.Tensor, str], Run]:
    """The same library on each image alone, which then has operations of its own."""

    def built(x: torch.Tensor, kind: str) -> Run:
        runs = [build(image[None], kind) for image in x]
        return lambda: sum(run() for run in runs)

    return built


class Decoded(Dataset[Any]):
    """Single images, each passed through the pipeline, as in a training set."""

    def __init__(self, images: list[Any], compose: Any) -> None:
        self.images, self.compose = images, compose

    def __len__(self) -> int:
        return BATCHES * len(self.images)

    def __getitem__(self, i: int) -> torch.Tensor:
        image = self.compose(image=self.images[i % len(self.images)])["image"]
        return torch.from_numpy(image).permute(2, 0, 1).float().div_(255)


def albumentations(x: torch.Tensor, kind: str) -> Run:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations as A  # type: ignore[import-not-found, unused-ignore]
    import cv2  # type: ignore[import-not-found, unused-ignore]

    cv2.setNumThreads(1)  # of each worker
    usual = [
        A.Affine((0.85, 1.15), (-0.1, 0.1), rotate=(-15, 15), shear=(-11, 11), p=1),
        A.ElasticTransform(alpha=x.shape[-1], sigma=x.shape[-1] / 6, p=1),
        A.RandomBrightnessContrast(0.4, 0.5, p=1),
        A.InvertImg(p=0.5),
        A.GaussNoise((0.0, 0.15), p=1),
        A.GaussianBlur((3, 5), (0.1, 1.0), p=1),
        A.CoarseDropout((1, 1), (0.05, 0.3), (0.05, 0.3), p=1),
    ]
    camera = [
        A.MotionBlur((3, max(5, x.shape[-1] // 8 | 1)), p=1),
        A.ShotNoise((0.01, 0.05), p=1),
        A.ImageCompression(quality_range=(55, 100), p=1),
    ]
    both = usual + camera
    compose = A.Compose(usual if kind == "usual" else both if kind == "camera" else [A.SomeOf(both, 2, p=1)])
    images = [image.numpy() for image in (x * 255).byte().permute(0, 2, 3, 1).contiguous()]
    loader = DataLoader(Decoded(images, compose), len(images), num_workers=WORKERS, persistent_workers=True)
    return lambda: sum(len(batch) for batch in loader)


LIBRARIES: dict[str, Callable[[torch.Tensor, str], Run]] = {
    "synth2real": ours,
    "kornia": kornia,
    "albumentations": albumentations,
}
CHOSEN: dict[str, Callable[[torch.Tensor, str], Run]] = {
    **LIBRARIES,
    "kornia, each image alone": singly(kornia),
    "kornia's RandAugment": kornia_randaugment,
    "kornia's RandAugment, each image alone": singly(kornia_randaugment),
    "torchvision's RandAugment": torchvision_randaugment,
}


def rows(count: int, size: int, kind: str, rounds: int) -> list[Row]:
    """A row for each library."""
    x = torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))
    runs: dict[str, Callable[[], float]] = {}
    made: dict[str, int] = {}
    found: dict[str, Row] = {}
    for library, build in (CHOSEN if kind == "chosen" else LIBRARIES).items():
        found[library] = {"images": f"{count} of {size} x {size} x 3", "list": kind, "library": library}
        try:
            run = build(x, kind)
            made[library], runs[library] = run(), timed(run)
        except Exception as error:  # a library that is missing or broken must not end the benchmark
            found[library]["error"] = f"{type(error).__name__}: {error}"
    for library, seconds in (times := interleaved(runs, rounds)).items():
        found[library]["rate"] = rates(made[library], seconds)
        if library != "synth2real":
            scaled = [each * made["synth2real"] / made[library] for each in seconds]  # for as many images as ours
            found[library]["ratio"] = ratios(scaled, times["synth2real"])
    return list(found.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--lists", nargs="+", choices=LISTS, default=LISTS)
    arguments = parser.parse_args()
    cases = [(*case, kind) for case in CASES for kind in arguments.lists]
    found = [row for case in cases for row in rows(*case, arguments.rounds)]
    show("speed/randomize", COLUMNS, found, {"rounds": arguments.rounds}, ["kornia", "albumentations", "torchvision"])


if __name__ == "__main__":
    main()
