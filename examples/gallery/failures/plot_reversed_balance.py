"""
A reversed class balance
========================

Labels of a teacher are aligned with the class shares of the source. If the target has the reverse ones, this forces the
wrong answer on most images.
"""

import matplotlib.pyplot as plt
import torch

from synth2real import Budget, Route
from synth2real.adapt import Teacher
from synth2real.datasets import handwriting
from synth2real.randomize import Full
from synth2real.simulate import Digits

# %%
# Of the source nine images in ten show 0 to 4, of the target nine in ten show 5 to 9.


def kept(labels: torch.Tensor, common: torch.Tensor) -> torch.Tensor:
    """The samples of the common classes and one in nine of the others."""
    rare = (~common).nonzero().flatten()
    return torch.cat([common.nonzero().flatten(), rare[::9]])


_, real = handwriting()
rendered = Digits(size=(8, 8)).labelled(4000, seed=0)
source = rendered.subset(kept(rendered.labels, rendered.labels < 5))
test = real.subset(kept(real.labels, real.labels >= 5))
target = test.unlabelled()

# %%
# The same training with three beliefs about the shares of the target.

routes = {
    "randomized": Route(randomize=Full()),
    "teacher, no prior": Route(randomize=Full(), adapt=Teacher(target_prior="none")),
    "teacher, the source's prior": Route(randomize=Full(), adapt=Teacher(alignment="exact")),
}
accuracy, shares = {}, {"true": test.labels.bincount(minlength=10) / len(test)}
for name, route in routes.items():
    model = route.run(source, target, budget=Budget(steps=250)).model
    accuracy[name] = model.evaluate(test)["accuracy"]
    shares[name] = model.predict(test.inputs).values.argmax(1).bincount(minlength=10) / len(test)
    print(f"{name}: {accuracy[name]:.3f}")

figure, axes = plt.subplots(1, 4, figsize=(11, 2.6), sharey=True, layout="constrained")
for axis, (name, share) in zip(axes, shares.items(), strict=True):
    axis.bar(range(10), share, color="tab:gray" if name == "true" else "tab:orange")
    axis.set(title=name if name == "true" else f"{name}\naccuracy {accuracy[name]:.2f}", xticks=range(10))
    axis.title.set_size(9)
axes[0].set_ylabel("share")

# %%
# **In the report**: the verdict names the class balance, and `compare` refuses the teacher. Do not read estimates of
# the accuracy under a label shift. If you know the shares, give them: `Teacher(target_prior=...)`.
