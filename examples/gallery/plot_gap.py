"""
How wide is the gap?
====================

Five distances between two domains, each with an interval, and beside what sampling alone gives.
"""

import matplotlib.pyplot as plt

from synth2real import measure_gap
from synth2real.datasets import handwriting
from synth2real.simulate import Digits

# %%
# Rendered digits against real ones, and against other rendered ones, where there is no gap.

target, _ = handwriting()
digits = Digits(size=(8, 8))
source, again = digits.labelled(1000, seed=0), digits.labelled(1000, seed=1).unlabelled()
gaps = {"to real digits": measure_gap(source, target), "to other rendered digits": measure_gap(source, again)}

# %%
# A distance within the noise (the line) says that no gap was found.

names = list(gaps["to real digits"].distances)
figure, axes = plt.subplots(1, len(names), figsize=(11, 2.8), layout="constrained")
for axis, name in zip(axes, names, strict=True):
    for i, (pair, gap) in enumerate(gaps.items()):
        one = gap.distances[name]
        below, above = max(one.value - one.low, 0), max(one.high - one.value, 0)
        axis.errorbar(i, one.value, yerr=[[below], [above]], fmt="o", color=("tab:orange", "tab:blue")[i], label=pair)
        axis.hlines(one.noise, i - 0.3, i + 0.3, color="tab:gray")
    axis.set(title=name, xticks=[], xlim=(-0.6, 1.6))
    axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
