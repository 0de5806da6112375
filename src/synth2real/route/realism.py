"""Quality of refinement: do refined images look real, and are their labels still right? No label is read."""

from __future__ import annotations

import torch

from ..adapt import SourceOnly
from ..data.domains import Inputs, Labelled, Unlabelled
from ..errors import InputError
from ..measure.distances import kernel_distance, root_mean_square
from ..refine.displacement import displaced
from ..training.hardware import Hardware
from ..training.model import Model
from .route import Budget, Route

LEAST = 30  # fewest images of each kind: with fewer, the accuracy on the held-out part is too noisy
MOST = 2000  # most images of each kind


def machine_turing_test(
    real: Inputs, refined: Inputs, *, steps: int = 300, seed: int = 0, hardware: Hardware | None = None
) -> float:
    """Accuracy of a network that classifies held-out images as real or refined: 0.5 (alike) to 1 (always right).

    The network is trained on two thirds of both kinds and tested on the rest. Its inputs keep their brightness and
    colour. Run the test on the unrefined synthetic images, too: the improvement over that value matters.

    Args:
        real, refined: images (N, C, H, W) of one shape, 30 or more each; equal numbers of both are used, at most 2,000.
        steps: of the training.
        seed: of the split and the training.
        hardware: device, precision and memory format.

    Raises:
        InputError: too few images, or of differing shapes.

    References:
        Shrivastava et al. (2017), section 3.1, test people. The classifier that replaces them is the two-sample test
        of Lopez-Paz & Oquab (2017), ICLR. arXiv:1610.06545.
    """
    check_alike(real, refined)
    count = min(len(real), len(refined), MOST)
    if count < LEAST:
        raise InputError(f"{len(real)} real and {len(refined)} refined images, expected {LEAST} or more of each")
    generator = torch.Generator().manual_seed(seed)
    sampled = [z[torch.randperm(len(z), generator=generator)[:count]] for z in (real, refined)]
    cut = 2 * count // 3
    train, test = (torch.cat([z[part] for z in sampled]) for part in (slice(cut), slice(cut, None)))
    kinds = ("real", "refined")
    labels = [torch.arange(2).repeat_interleave(size) for size in (cut, count - cut)]
    route = Route(adapt=SourceOnly(statistics="source"))  # statistics per image would remove the brightness
    budget = Budget(steps=steps, seed=seed, hardware=hardware or Hardware.detect())
    model = route.run(Labelled(train, labels[0], kinds), Unlabelled(test), budget=budget).model
    return float(model.evaluate(Labelled(test, labels[1], kinds))["accuracy"])


def kid(real: Inputs, refined: Inputs, model: Model) -> float:
    """Kernel distance between refined and real images in a model's features; its expectation is 0 if they are alike.

    Args:
        real, refined: images (N, C, H, W) that the model takes, two or more each; at most 2,000 of each are used.
        model: its features are compared, in units of the root mean square of the real features. Compare values only if
            they come from the same model. A model that normalises each image (`statistics: per-image`) ignores
            differences in brightness.

    Raises:
        InputError: the model does not take such images, or there is only one image of a kind.
    """
    for what, inputs in (("the real set", real), ("the refined set", refined)):
        model.check(inputs, what)
        if len(inputs) < 2:
            raise InputError(f"{what} has {len(inputs)} image, expected two or more")
    ours, theirs = (
        model.embed_alone(z[torch.linspace(0, len(z) - 1, min(len(z), MOST)).long()]) for z in (refined, real)
    )
    return kernel_distance(ours, theirs, unit=root_mean_square(theirs))


def label_displacement(detector: Model, before: Inputs, after: Inputs) -> float:
    """Mean distance between a model's answers before and after refinement, over images; see `displacement.displaced`.

    Of points it is in pixels. It is an upper bound of the label displacement: a part of it is the model's own error.

    Args:
        detector: a model trained on the images before refinement.
        before, after: the same images (N, C, H, W) before and after refinement.

    Raises:
        InputError: the model takes no images, or the images do not match.
    """
    return float(displaced(before, after, detector).mean())


def check_alike(real: Inputs, refined: Inputs) -> None:
    """Raise `InputError` if two sets of images differ in shape."""
    shapes = [tuple(z.shape[1:]) for z in (real, refined)]
    if shapes[0] != shapes[1] or len(shapes[0]) != 3:
        raise InputError(
            f"found images of {shapes[0]} and of {shapes[1]} (channels, height, width), expected images of one shape. "
            "Convert them on load with --size and --channels"
        )
