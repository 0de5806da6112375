"""
Displaced labels
================

A refiner that may change everything learns that real discs lie elsewhere, and moves them there. The label still says
where the disc was. What trains on such images learns the wrong place.
"""

import matplotlib.pyplot as plt
import torch

from synth2real import Budget, Labelled, Route, Unlabelled, realism
from synth2real.refine import SimGAN
from synth2real.training.loop import Loop

SIDE = 20


def discs(count: int, low: float, high: float, seed: int) -> Labelled:
    """Soft discs whose centre is between `low` and `high` pixels from the left."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, generator=generator) * (high - low) + low
    y = torch.rand(count, generator=generator) * 6 + 7
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    distance = ((columns - x[:, None, None]) ** 2 + (rows - y[:, None, None]) ** 2).sqrt()
    images = (230 * torch.sigmoid(3 - distance)[:, None]).round().to(torch.uint8)
    return Labelled(images, torch.stack([x, y], 1), columns=("x", "y"))


# %%
# Rendered discs lie left of the middle, real ones mostly right of it.

source, target = discs(500, 4, 10, seed=0), discs(500, 8, 15, seed=1)
real = Unlabelled(target.inputs)
detector = Route().run(source, real, budget=Budget(steps=150)).model

# %%
# The first refiner is held to its input, pixel by pixel. The second one is not, and its critic sees the whole image.

refiners = {
    "held": SimGAN(steps=120, pretrain_refiner=20, pretrain_critic=20, change=0.01),
    "free": SimGAN(steps=120, pretrain_refiner=20, pretrain_critic=20, regularisation=0.0, local=False, history=0),
}
some = torch.arange(200)
before = source.inputs[some]
shown, moved = {"rendered": before}, {}
for name, refiner in refiners.items():
    shown[name] = refiner.fit(source, real, Loop(steps=1)).transform(before)
    moved[name] = realism.label_displacement(detector, before, shown[name])
    print(f"{name}: labels are displaced by {moved[name]:.2f} pixels")

# %%
# Crosses are the labels.

figure, axes = plt.subplots(len(shown), 8, figsize=(9, 3.8), layout="constrained")
for row, (name, images) in zip(axes, shown.items(), strict=True):
    for axis, image, place in zip(row, images, source.labels, strict=False):
        axis.imshow(image[0], cmap="gray", vmin=0, vmax=255)
        axis.plot(*place, "+", color="tab:orange", markersize=10)
        axis.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)

# %%
# **What shows it**: `displacement.csv` of a refined folder, which lists every image. `--reject 0.05` leaves out the
# worst ones; a weight of the self-regularisation prevents it.
