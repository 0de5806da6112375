"""
What randomization does to an image
===================================

`Full` draws one warp and one change of colours for each image. Labels move with the warp.
"""

import matplotlib.pyplot as plt
import torch

from synth2real.data.domains import to_float
from synth2real.randomize import Full
from synth2real.simulate import Eyes
from synth2real.tasks import Keypoints

# %%
# Rendered eyes, and the centre of the iris as their label.

eyes = Eyes(size=(36, 60)).labelled(6, seed=3, label="iris")
images, points = to_float(eyes.inputs[torch.arange(6)]), eyes.labels
task = Keypoints.of(eyes)

# %%
# The same images at four strengths. The dot is the label after the warp.

figure, axes = plt.subplots(4, 6, figsize=(11, 4.8), layout="constrained")
for row, strength in zip(axes, (0.0, 0.25, 0.5, 1.0), strict=True):
    policy = Full(strength=strength).settled(task)
    changed, warp = policy.draw(images, torch.Generator().manual_seed(1))
    moved = points if warp is None else warp.points(points.view(6, -1, 2)).view(6, -1)
    for axis, image, point in zip(row, changed, moved, strict=True):
        axis.imshow(image[0].clamp(0, 1), cmap="gray", vmin=0, vmax=1)
        axis.autoscale(False)
        axis.plot(*point, ".", color="tab:orange", markersize=9)
        axis.set(xticks=[], yticks=[])
    row[0].set_ylabel(f"strength {strength:g}", rotation=0, ha="right", va="center")
