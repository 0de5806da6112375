"""
Rendered digits to real handwriting
===================================

Three routes learn from rendered digits and are scored on real handwriting, whose labels none of them has seen.
"""

import matplotlib.pyplot as plt
import torch

from synth2real import Budget, Route
from synth2real.adapt import Teacher
from synth2real.datasets import handwriting
from synth2real.randomize import Full
from synth2real.simulate import Digits

# %%
# The source is a simulator, the target real images without labels. `test` has labels, to score on.

target, test = handwriting()
source = Digits(size=(8, 8)).labelled(4000, seed=0)

figure, axes = plt.subplots(2, figsize=(7, 1.8), layout="constrained")
for axis, (name, images) in zip(axes, {"rendered": source.inputs, "real": target.inputs}.items(), strict=True):
    axis.imshow(torch.cat(list(images[torch.arange(16), 0]), 1), cmap="gray")
    axis.set_ylabel(name, rotation=0, ha="right", va="center")
    axis.set(xticks=[], yticks=[])

# %%
# A route is at most one method for each stage. The teacher trains on its own labels for the real images.

routes = {
    "source only": Route(),
    "randomized": Route(randomize=Full()),
    "teacher": Route(randomize=Full(), adapt=Teacher()),
}
accuracy = {}
for name, route in routes.items():
    run = route.run(source, target, budget=Budget(steps=400))
    accuracy[name] = run.model.evaluate(test)["accuracy"]
    print(f"{name}: {accuracy[name]:.3f}")

# %%
# Longer trainings and all routes are in :doc:`the results </results>`.

figure, axis = plt.subplots(figsize=(6, 2.2), layout="constrained")
bars = axis.barh(list(accuracy), list(accuracy.values()), color=["tab:gray", "tab:blue", "tab:orange"])
axis.bar_label(bars, fmt="%.2f", padding=3)
axis.set(xlim=(0, 1.08), xlabel="accuracy on real digits")
axis.invert_yaxis()
