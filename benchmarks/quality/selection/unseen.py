"""Protocols that were not used to set any default: other pairs of the same data sets, and altered data.

The target is of another data set, degraded, small, shifted in its class shares, or without any gap. This module only
defines the protocols; `choice.py` runs them:

    python -m benchmarks.quality.selection.choice --protocols usps-mnistm degraded three-classes shifted no-gap
        --minutes 4

Results are on the dev labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.lib.protocols import CLASSES, Protocol, images_of, unbalanced, usps_and_mnist
from synth2real import Labelled, Unlabelled

FEW = 80  # number of target images of `three_classes`


def usps_to_mnistm() -> Protocol:
    """USPS (grey, small) to MNIST-M (colour, larger)."""
    _, _, codes, code_labels = usps_and_mnist()
    large = F.interpolate(codes.float(), (28, 28), mode="bilinear").round().to(torch.uint8)
    blended, labels = images_of("mnist_m.npz")
    source = Labelled(large.expand(-1, 3, -1, -1).contiguous(), code_labels, CLASSES)
    dev, score = (Labelled(blended[part], labels[part], CLASSES) for part in (slice(4000, 5000), slice(7000, None)))
    return Protocol("usps to mnist-m", source, Unlabelled(blended[:4000]), dev, score)


def degraded() -> Protocol:
    """MNIST to other MNIST images as from a poor camera: inverted, low in contrast, blurred and noisy."""
    images, labels = images_of("mnist.npz")
    generator = torch.Generator().manual_seed(0)

    def degrade(x: Tensor) -> Tensor:
        blurred = F.avg_pool2d(x.float(), 3, 1, padding=1)
        noise = 18 * torch.randn(x.shape, generator=generator)
        return (215 - 0.5 * blurred + noise).clamp(0, 255).to(torch.uint8)

    source = Labelled(images[1000:5000], labels[1000:5000], CLASSES)
    dev, score = (Labelled(degrade(images[p]), labels[p], CLASSES) for p in (slice(1000), slice(7000, None)))
    return Protocol("degraded", source, Unlabelled(degrade(images[5000:7000])), dev, score)


def three_classes() -> Protocol:
    """MNIST to MNIST-M with three classes and only 80 target images."""
    plain, labels = images_of("mnist.npz")
    blended, blended_labels = images_of("mnist_m.npz")

    def of(images: Tensor, named: Tensor, part: slice) -> Labelled:
        kept = (named[part] < 3).nonzero()[:, 0]
        return Labelled(images[part][kept].expand(-1, 3, -1, -1).contiguous(), named[part][kept], CLASSES[:3])

    few = of(blended, blended_labels, slice(3000, 4000)).subset(torch.arange(FEW)).unlabelled()
    dev, score = (of(blended, blended_labels, part) for part in (slice(4000, 5000), slice(7000, None)))
    return Protocol("three classes", of(plain, labels, slice(3000)), few, dev, score)


def shifted() -> Protocol:
    """MNIST to USPS. In the target, the first five classes have a third of the samples of the others."""
    return replace(unbalanced(0.5, 0.25), name="shifted")


def no_gap() -> Protocol:
    """MNIST to other MNIST images, without any gap."""
    images, labels = images_of("mnist.npz")
    source, dev, score = (
        Labelled(images[part], labels[part], CLASSES) for part in (slice(1000, 4000), slice(1000), slice(7000, None))
    )
    return Protocol("no gap", source, Unlabelled(images[4000:7000]), dev, score)


PROTOCOLS: dict[str, Callable[[], Protocol]] = {
    "usps-mnistm": usps_to_mnistm,
    "degraded": degraded,
    "three-classes": three_classes,
    "shifted": shifted,
    "no-gap": no_gap,
}
