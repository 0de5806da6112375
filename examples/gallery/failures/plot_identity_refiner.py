"""
The refiner that does nothing
=============================

With too large a weight of the self-regularisation, SimGAN's best answer is the image as it came. Nothing fails: the
loss falls, images are written, and no gap is closed.
"""

import warnings

import matplotlib.pyplot as plt
import torch

from synth2real.refine import SimGAN
from synth2real.simulate import Eyes
from synth2real.training.loop import Loop

# %%
# A target that is darker and noisy, and two refiners. The second one adjusts the weight so that pixels change.

eyes = Eyes(size=(20, 32))
source = eyes.labelled(300, seed=0)
target = eyes.with_ranges(exposure=(0.2, 0.35), grain=(0.04, 0.08)).labelled(300, seed=1).unlabelled()
some = source.inputs[torch.arange(6)]
short = {"steps": 60, "pretrain_refiner": 20, "pretrain_critic": 10}
refiners = {"weight 1000": SimGAN(regularisation=1000.0, **short), "adjusted weight": SimGAN(change=0.02, **short)}
shown = {"rendered": some}
for name, refiner in refiners.items():
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        shown[name] = refiner.fit(source, target, Loop(steps=1)).transform(some)
    change = (shown[name].float() - some.float()).abs().mean()
    print(f"{name}: pixels change by {change:.2f} levels of 255", *[str(one.message) for one in heard], sep="\n  ")

# %%
# The images, and ten times what was changed.

rows = {**shown, "target": target.inputs[torch.arange(6)]}
for name in refiners:
    rows[f"10 x change, {name}"] = 128 + 10 * (shown[name].float() - some.float())
figure, axes = plt.subplots(len(rows), figsize=(9, 5.4), layout="constrained")
for axis, (name, images) in zip(axes, rows.items(), strict=True):
    axis.imshow(torch.cat(list(images[:, 0]), 1), cmap="gray", vmin=0, vmax=255)
    axis.set_ylabel(name, rotation=0, ha="right", va="center")
    axis.set(xticks=[], yticks=[])

# %%
# **In the report**: the images of the stages *rendered* and *refined* are the same, the gap before and after is, too,
# and a warning says that the refiner has ended as the identity.
