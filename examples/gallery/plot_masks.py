"""
Masks of nuclei
===============

A segmenter is trained on rendered nuclei and used on those of a dimmer, less sharp microscope.
"""

import matplotlib.pyplot as plt
import torch

from synth2real import Budget, Route
from synth2real.adapt import Teacher
from synth2real.randomize import Full
from synth2real.simulate import Nuclei

# %%
# Source and target are two settings of one simulator, so that the true masks are known. A training of 80 steps shows
# how it is done, and not which route is better: `synth2real demo --task segment` trains longer.

nuclei = Nuclei(size=(40, 40))
microscope = nuclei.with_ranges(brightness=(15, 60), defocus=(1.5, 4.0))
source, test = nuclei.labelled(300, seed=0), microscope.labelled(40, seed=2)
target = microscope.labelled(150, seed=1).unlabelled()
routes = {"source only": Route(), "teacher": Route(randomize=Full(), adapt=Teacher())}
models = {}
for name, route in routes.items():
    models[name] = route.run(source, target, budget=Budget(steps=80, batch=8)).model
    print(f"{name}: mean IoU {models[name].evaluate(test)['mean_iou']:.3f}")

# %%
# Borders of the predicted masks, and the true ones.

some = test.inputs[torch.arange(6)]
masks = {name: model.predict(some).values for name, model in models.items()}
masks["true"] = test.labels.tensor[:6]
figure, axes = plt.subplots(3, 6, figsize=(9, 4.6), layout="constrained")
for row, (name, found) in zip(axes, masks.items(), strict=True):
    for axis, image, mask in zip(row, some, found, strict=True):
        axis.imshow(image[0], cmap="gray")
        axis.contour(mask, levels=[0.5], colors="tab:orange", linewidths=1.2)
        axis.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)
