"""
Refiners side by side
=====================

Rendered eyes are made to look like those of another camera. The closed forms take no training; SimGAN is a short one.
"""

import matplotlib.pyplot as plt
import torch

from synth2real.refine import Fourier, Histogram, Reinhard, SimGAN
from synth2real.simulate import Eyes
from synth2real.training.loop import Loop

# %%
# The target is darker, blurred and noisy.

eyes = Eyes(size=(36, 60)).with_ranges(equalised=0.0)
camera = eyes.with_ranges(exposure=(0.2, 0.35), blur=(1.0, 1.6), grain=(0.03, 0.06))
source, target = eyes.labelled(300, seed=0), camera.labelled(300, seed=1).unlabelled()

# %%
# Every refiner has `fit` and `transform`; labels stay as they are.

refiners = {"histogram": Histogram(), "reinhard": Reinhard(), "fourier": Fourier()}
refiners["simgan, short"] = SimGAN(steps=30, pretrain_refiner=10, pretrain_critic=10)
some = source.inputs[torch.arange(7)]
shown = {"rendered": some}
for name, refiner in refiners.items():
    shown[name] = refiner.fit(source, target, Loop(steps=1)).transform(some)
shown["target"] = target.inputs[torch.arange(7)]

figure, axes = plt.subplots(len(shown), figsize=(9, 5.6), layout="constrained")
for axis, (name, images) in zip(axes, shown.items(), strict=True):
    axis.imshow(torch.cat(list(images[:, 0]), 1), cmap="gray", vmin=0, vmax=255)
    axis.set_ylabel(name, rotation=0, ha="right", va="center")
    axis.set(xticks=[], yticks=[])
