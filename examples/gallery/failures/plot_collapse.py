"""
Collapse: a model that believes itself
======================================

Entropy minimisation makes predictions certain. Certain of what, it does not care: the cheapest answer is one class
for all. The library's methods start when the source is learnt, watch what the predictions tell, and stop. The naive
one does not.
"""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import torch

from synth2real import Budget, Route
from synth2real.adapt import EntropyMinimisation, Objective
from synth2real.datasets import handwriting
from synth2real.randomize import Full
from synth2real.settings import settings
from synth2real.simulate import Digits
from synth2real.training.loop import Progress, SourceBatch, TargetBatch, Update

# %%
# The naive method: from the first step on, with full weight, and without a look at what it does.


@settings
class NaiveEntropy(Objective):
    """Task loss on the source and the entropy of the predictions for the target."""

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        outputs = self.model(torch.cat([source.x, target.x]))
        known, unknown = outputs.split([len(source), len(target)])
        p = unknown.softmax(1)
        entropy = -(p * unknown.log_softmax(1)).sum(1).mean()
        yield Update(of=(self.model,), label=(1.0, self.task.loss(known, source.y)), entropy=(3.0, entropy))


target, test = handwriting()
source = Digits(size=(8, 8)).labelled(3000, seed=0)
methods = {"naive": NaiveEntropy(), "guarded": EntropyMinimisation(weight=3.0)}
shares, accuracy = {}, {}
for name, method in methods.items():
    run = Route(randomize=Full(), adapt=method).run(source, target, budget=Budget(steps=150))
    shares[name] = run.model.predict(test.inputs).values.argmax(1).bincount(minlength=10) / len(test)
    accuracy[name] = run.model.evaluate(test)["accuracy"]
    print(f"{name}: {accuracy[name]:.3f}", *run.notes, sep="\n  ")

# %%
# How often each class is predicted. True shares are a tenth each.

figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), sharey=True, layout="constrained")
for axis, name in zip(axes, methods, strict=True):
    axis.bar(range(10), shares[name], color="tab:orange")
    axis.axhline(0.1, color="tab:gray", linestyle="--")
    axis.set(title=f"{name}: accuracy {accuracy[name]:.2f}", xlabel="predicted class", xticks=range(10))
axes[0].set_ylabel("share of the real images")

# %%
# **In the report**: the confusion matrix has one full column, the balance of the predictions is far from that of the
# source, and a note says that self-training was stopped.
