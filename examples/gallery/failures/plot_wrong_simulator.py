"""
The wrong simulator
===================

Randomization and adaptation widen and bend what the simulator draws. What it never draws, they cannot invent.
"""

import matplotlib.pyplot as plt
import torch

from synth2real import Budget, Route, measure_gap
from synth2real.adapt import Teacher
from synth2real.calibrate import Posterior
from synth2real.datasets import handwriting
from synth2real.randomize import Full
from synth2real.simulate import Digits

# %%
# Digits that lie on their side, where real ones stand. From so far away calibration does not find the upright ones; a
# look at both domains does. The mend is in the simulator.

target, test = handwriting()
wrong = Digits(size=(8, 8)).with_ranges(rotation=(60, 85))
found = Posterior().fit(wrong, target).simulator.range("rotation")
print(f"rotation: 60 to 85 as given, {found[0]:.0f} to {found[1]:.0f} calibrated")
mended = Digits(size=(8, 8))  # -15 to 15

# %%
# No route helps with the first simulator.

accuracy = {}
for name, simulator in {"wrong": wrong, "mended": mended}.items():
    source = simulator.labelled(3000, seed=0)
    gap = measure_gap(source, target).distances["kid"]
    print(f"{name} simulator: kernel distance {gap.value:.2f}, by sampling alone {gap.noise:.2f}")
    for how, route in {"source only": Route(), "teacher": Route(randomize=Full(), adapt=Teacher())}.items():
        model = route.run(source, target, budget=Budget(steps=200)).model
        accuracy[name, how] = model.evaluate(test)["accuracy"]
        print(f"{name} simulator, {how}: {accuracy[name, how]:.3f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 2.6), layout="constrained", width_ratios=(2, 1.3))
rows = [wrong.sample(12, seed=0).images, mended.sample(12, seed=0).images, target.inputs[torch.arange(12)]]
left.imshow(torch.cat([torch.cat(list(images[:, 0]), 1) for images in rows]), cmap="gray")
left.set(xticks=[], yticks=[4, 12, 20], yticklabels=["wrong", "mended", "real"])
bars = right.barh([f"{name}, {how}" for name, how in accuracy], list(accuracy.values()), color="tab:orange")
right.bar_label(bars, fmt="%.2f", padding=3)
right.set(xlim=(0, 1.15), xlabel="accuracy on real digits")
right.invert_yaxis()

# %%
# **What shows it**: the gap before adaptation, which is far above its noise; `params.unreached.png` of `calibrate`,
# with the real images that no setting reaches; and a look at both: `synth2real show`.
