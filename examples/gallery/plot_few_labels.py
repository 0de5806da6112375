"""
What a few real labels buy
==========================

A trained model is corrected with 1 to 100 labelled real samples, in closed form and without training.
"""

import matplotlib.pyplot as plt
import torch

from synth2real import Budget, FewLabels, Route, correct
from synth2real.randomize import Photometric
from synth2real.simulate import Eyes

# %%
# The simulator is off by a constant: the target's eyes stand to the right, and the corners are higher.

eyes = Eyes(size=(24, 40))
elsewhere = eyes.with_ranges(offset_x=(3.0, 5.0), offset_y=(1.0, 2.0))
source = eyes.labelled(1500, seed=0, label="gaze")
labelled, test = (elsewhere.labelled(300, seed=seed, label="gaze") for seed in (1, 2))
target = test.unlabelled()
model = Route(randomize=Photometric()).run(source, target, budget=Budget(steps=200)).model
print(f"not corrected: {model.evaluate(test)['mean_degrees']:.2f} degrees")

# %%
# The error on other samples, for four draws of each number of labels.

counts, error = (2, 5, 10, 20, 50), []
for count in counts:
    draws = [torch.randperm(300, generator=torch.Generator().manual_seed(draw))[:count] for draw in range(4)]
    found = [correct(model, FewLabels.of(labelled.subset(draw)), target, curve=False).model for draw in draws]
    error.append([one.evaluate(test)["mean_degrees"] for one in found])
middle = torch.tensor(error).mean(1)

figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
axis.axhline(model.evaluate(test)["mean_degrees"], color="tab:gray", linestyle="--", label="not corrected")
for count, values in zip(counts, error, strict=True):
    axis.plot([count] * len(values), values, ".", color="tab:orange", alpha=0.5)
axis.plot(counts, middle, color="tab:orange", label="corrected, mean of four draws")
axis.set(xscale="log", xticks=counts, xticklabels=counts, xlabel="labels", ylabel="mean error, degrees", ylim=(0, None))
axis.minorticks_off()
axis.legend()
