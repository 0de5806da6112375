"""
Choosing without real labels
============================

`compare` trains routes and ranks them by a score that reads no real label. Here real labels stand beside it, to see how
well it ranks.
"""

import matplotlib.pyplot as plt

from synth2real import Budget, Route, compare
from synth2real.adapt import DANN, Teacher
from synth2real.datasets import handwriting
from synth2real.randomize import Full, Photometric
from synth2real.simulate import Digits

# %%
# `test` is scored and affects nothing.

target, test = handwriting()
routes = {
    "randomized": Route(randomize=Full()),
    "photometric": Route(randomize=Photometric()),
    "dann": Route(randomize=Full(), adapt=DANN()),
    "teacher": Route(randomize=Full(), adapt=Teacher()),
}
source = Digits(size=(8, 8)).labelled(3000, seed=0)
comparison = compare(routes, source, target, test=test, budget=Budget(steps=300), seeds=(0,))
print(comparison.verdict)

# %%
# The score and the accuracy of each route, and the estimate of the chosen one.

figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
for one in comparison.candidates:
    accuracy = one.trials[0].test_metrics["accuracy"]
    axis.plot(accuracy, one.score, "o", color="tab:orange" if one.chosen else "tab:gray")
    axis.annotate(
        f"{one.name}{', chosen' if one.chosen else ''}",
        (accuracy, one.score),
        xytext=(6, -4),
        textcoords="offset points",
    )
axis.margins(x=0.5, y=0.15)
axis.set(xlabel="accuracy on real digits", ylabel="label-free score")
print(comparison.chosen.estimate)
