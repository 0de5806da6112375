"""
Finding the ranges of a simulator
=================================

Images are rendered with hidden ranges. Calibration sees the images alone and finds the ranges again.
"""

import matplotlib.pyplot as plt
import torch

from synth2real.calibrate import Posterior
from synth2real.simulate import Digits

# %%
# The simulator as given, and the hidden one: larger, thinner digits that lean to the left.

given = Digits(size=(16, 16))
hidden = {"height": (0.85, 0.95), "rotation": (-30, -16), "stroke": (0.04, 0.08)}
target = given.with_ranges(**hidden).labelled(500, seed=1).unlabelled()
found = Posterior().fit(given, target)

# %%
# The ranges of each parameter. By default a range keeps its width, so what is found is the place.

figure, axes = plt.subplots(len(hidden), figsize=(8, 3.2), layout="constrained")
for axis, (name, truth) in zip(axes, hidden.items(), strict=True):
    three = {"given": given.range(name), "found": found.simulator.range(name), "hidden": truth}
    for i, (which, (low, high)) in enumerate(three.items()):
        axis.barh(
            i, high - low, left=low, color={"given": "tab:gray", "found": "tab:orange", "hidden": "tab:blue"}[which]
        )
    axis.set(yticks=range(3), yticklabels=list(three), title=name)
    axis.use_sticky_edges = False
    axis.invert_yaxis()

# %%
# Images as given, as found, and the target.

figure, axes = plt.subplots(3, figsize=(8, 2.4), layout="constrained")
rows = {"given": given.sample(16, seed=2).images, "found": found.simulator.sample(16, seed=2).images}
for axis, (name, images) in zip(axes, {**rows, "target": target.inputs[torch.arange(16)]}.items(), strict=True):
    axis.imshow(torch.cat(list(images[:, 0]), 1), cmap="gray")
    axis.set_ylabel(name, rotation=0, ha="right", va="center")
    axis.set(xticks=[], yticks=[])
