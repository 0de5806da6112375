"""What refinement has done: do refined images pass for real, and are their labels still true? No label is read."""

from __future__ import annotations

import torch

from ..adapt import SourceOnly
from ..data.domains import Inputs, Labelled, Unlabelled
from ..errors import InputError
from ..measure.distances import kernel_distance, root_mean_square
from ..tasks import Keypoints
from ..training.hardware import Hardware
from ..training.model import Model
from .route import Budget, Route

LEAST = 30  # images of each kind: with fewer, a share of those held out says nothing
MOST = 2000  # images taken of each kind


def machine_turing_test(
    real: Inputs, refined: Inputs, *, steps: int = 300, seed: int = 0, hardware: Hardware | None = None
) -> float:
    """How often a network tells held-out images rightly: 0.5 where refined images pass for real, 1 where none does.

    The network is trained on two thirds of both and asked about the rest. It sees light and colour as they are. Run it
    on the synthetic images too: what counts is how far refinement has come from there.

    Args:
        real, refined: images (N, C, H, W) of one shape, 30 or more each; as many are taken of each, at most 2,000.
        steps: of the training.
        seed: of the split and the training.
        hardware: device, precision and memory format.

    Raises:
        InputError: too few images, or of differing shapes.

    References:
        Shrivastava et al. (2017), section 3.1, ask people; the classifier in their place is the two-sample test of
        Lopez-Paz & Oquab (2017), ICLR. arXiv:1610.06545.
    """
    check_alike(real, refined)
    count = min(len(real), len(refined), MOST)
    if count < LEAST:
        raise InputError(f"{len(real)} real and {len(refined)} refined images, expected {LEAST} or more of each")
    generator = torch.Generator().manual_seed(seed)
    drawn = [z[torch.randperm(len(z), generator=generator)[:count]] for z in (real, refined)]
    cut = 2 * count // 3
    train, test = (torch.cat([z[part] for z in drawn]) for part in (slice(cut), slice(cut, None)))
    kinds = ("real", "refined")
    labels = [torch.arange(2).repeat_interleave(size) for size in (cut, count - cut)]
    route = Route(adapt=SourceOnly(statistics="source"))  # per image, light would be taken out before it is seen
    budget = Budget(steps=steps, seed=seed, hardware=hardware or Hardware.detect())
    model = route.run(Labelled(train, labels[0], kinds), Unlabelled(test), budget=budget).model
    return float(model.evaluate(Labelled(test, labels[1], kinds))["accuracy"])


def kid(real: Inputs, refined: Inputs, model: Model) -> float:
    """Kernel distance of refined from real images on a model's features; 0 in expectation where they are alike.

    Args:
        real, refined: images (N, C, H, W) that the model takes, two or more each; at most 2,000 of each are taken.
        model: whose features are compared, in units of the real ones' root mean square. Values compare only where they
            are of one model, and one that normalises each image (`statistics: per-image`) sees no difference of light.

    Raises:
        InputError: the model does not take such images, or there is one alone.
    """
    for what, inputs in (("the real set", real), ("the refined set", refined)):
        model.check(inputs, what)
        if len(inputs) < 2:
            raise InputError(f"{what} holds {len(inputs)} image, expected two or more")
    ours, theirs = (model.embed(z[torch.linspace(0, len(z) - 1, min(len(z), MOST)).long()]) for z in (refined, real))
    return kernel_distance(ours, theirs, unit=root_mean_square(theirs))


def label_displacement(detector: Model, before: Inputs, after: Inputs) -> float:
    """How far refinement has moved what a detector of points finds, in pixels, the mean over images and points.

    It bounds the shift of the labels from above: part of it is the detector's own doubt.

    Args:
        detector: a model that was trained for keypoints.
        before, after: the same images (N, C, H, W) before and after refinement.

    Raises:
        InputError: the model predicts no points, or the images do not match.
    """
    if not isinstance(detector.task, Keypoints):
        raise InputError(f"the detector predicts {detector.task.kind}, expected a model trained with --task keypoints")
    check_alike(before, after)
    if len(before) != len(after):
        raise InputError(f"{len(before)} images before and {len(after)} after, expected the same images in one order")
    index = torch.arange(len(before))
    found = [detector.predict(z[index]).values.view(len(index), -1, 2) for z in (before, after)]
    return float((found[1] - found[0]).norm(dim=2).mean())


def check_alike(real: Inputs, refined: Inputs) -> None:
    """Raise `InputError` where two sets of images differ in shape."""
    shapes = [tuple(z.shape[1:]) for z in (real, refined)]
    if shapes[0] != shapes[1] or len(shapes[0]) != 3:
        raise InputError(
            f"images of {shapes[0]} and of {shapes[1]} (channels, height, width), expected images of one shape. "
            "Convert them on load with --size and --channels"
        )
