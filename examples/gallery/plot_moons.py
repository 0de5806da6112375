"""
DANN on two moons
=================

The toy problem of the DANN paper (Ganin et al. 2016, figure 2): moons with labels, and others, turned by 35 degrees.
"""

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import make_moons

from synth2real import Budget, Labelled, Route
from synth2real.adapt import DANN, SourceOnly
from synth2real.training import Hardware


def moons(degrees: float, seed: int) -> Labelled:
    """An upper moon and a lower one, (300, 2), turned about their middle."""
    points, labels = make_moons(300, noise=0.05, random_state=seed)
    a = torch.deg2rad(torch.tensor(degrees))
    turn = torch.stack([torch.stack([a.cos(), -a.sin()]), torch.stack([a.sin(), a.cos()])])
    middle = torch.tensor([0.5, 0.25])
    return Labelled(
        (torch.from_numpy(points).float() - middle) @ turn.T + middle,
        torch.from_numpy(labels).long(),
        ("upper", "lower"),
    )


# %%
# Both routes see the labels of the source and the points of the target.

source, target = moons(0, seed=1), moons(35, seed=101)
usual = {"network": "perceptron", "statistics": "source", "schedule": "constant", "rate": 3e-3, "dropout": 0.0}
routes = {"plain network": SourceOnly(**usual), "DANN": DANN(critic=(100, 100), **usual)}
budget = Budget(steps=500, batch=64, seed=1, hardware=Hardware())
models = {name: Route(adapt=one).run(source, target.unlabelled(), budget=budget).model for name, one in routes.items()}

# %%
# Where each draws its border: source in colour, target in black.

across, up = torch.meshgrid(torch.linspace(-1.7, 2.7, 200), torch.linspace(-1.5, 2.0, 160), indexing="xy")
grid = torch.stack([across, up], dim=-1).view(-1, 2)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for axis, (name, model) in zip(axes, models.items(), strict=True):
    lower = model.predict(grid).values[:, 1].view(across.shape)
    axis.contourf(across, up, lower, levels=[0, 0.5, 1], colors=["#fbd9d3", "#d3e5fb"])
    for label, mark, colour in ((0, "+", "tab:red"), (1, "_", "tab:blue")):
        axis.scatter(*source.inputs[source.labels == label].T, marker=mark, color=colour, s=30, linewidths=1)
    axis.scatter(*target.inputs.T, color="black", s=5)
    axis.set_title(f"{name}: {model.evaluate(target)['accuracy']:.0%} of the turned moons")
    axis.set_axis_off()
