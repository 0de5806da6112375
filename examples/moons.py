"""The DANN paper's toy problem (Ganin et al. 2016, figure 2): two moons with labels, and others turned by 35 degrees.

A plain network and DANN learn the source's moons; the picture shows where each draws its border.

python examples/moons.py [moons.png]
"""

from __future__ import annotations

import sys

import torch
from sklearn.datasets import make_moons

from synth2real import Budget, Labelled, Model, Route
from synth2real.adapt import DANN, SourceOnly
from synth2real.training import Hardware

POINTS, DEGREES = 300, 35
SETTINGS = {"network": "perceptron", "statistics": "source", "schedule": "constant", "rate": 3e-3, "dropout": 0.0}
ROUTES = {
    "plain network": Route(adapt=SourceOnly(**SETTINGS)),
    "DANN": Route(adapt=DANN(critic=(100, 100), **SETTINGS)),
}


def moons(degrees: float = 0.0, seed: int = 0) -> Labelled:
    """An upper moon (class 0) and a lower one (class 1), (300, 2) float32, turned about their middle."""
    points, labels = make_moons(POINTS, noise=0.05, random_state=seed)
    angle = torch.deg2rad(torch.tensor(degrees))
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    middle = torch.tensor([0.5, 0.25])
    turned = (torch.from_numpy(points).float() - middle) @ turn.T + middle
    return Labelled(turned, torch.from_numpy(labels).long(), ("upper", "lower"))


def train(name: str, source: Labelled, target: Labelled, seed: int = 0, steps: int = 500) -> Model:
    """A model of that route; of the target it sees the points alone."""
    budget = Budget(steps=steps, batch=64, seed=seed, hardware=Hardware())  # float32 on every processor
    return ROUTES[name].run(source, target.unlabelled(), budget=budget).model


def draw(models: dict[str, Model], source: Labelled, target: Labelled, out: str) -> None:
    """Each model's border, the source's points in colour and the target's in black."""
    import matplotlib.pyplot as plt

    across, up = torch.meshgrid(torch.linspace(-1.7, 2.7, 200), torch.linspace(-1.5, 2.0, 160), indexing="xy")
    grid = torch.stack([across, up], dim=-1).view(-1, 2)
    figure, panes = plt.subplots(1, len(models), figsize=(5 * len(models), 4.2), layout="constrained")
    for pane, (name, model) in zip(panes, models.items(), strict=True):
        lower = model.predict(grid).values[:, 1].view(across.shape)
        pane.contourf(across, up, lower, levels=[0, 0.5, 1], colors=["#fbd9d3", "#d3e5fb"])
        for label, mark, colour in ((0, "+", "tab:red"), (1, "_", "tab:blue")):
            pane.scatter(*source.inputs[source.labels == label].T, marker=mark, color=colour, s=30, linewidths=1)
        pane.scatter(*target.inputs.T, color="black", s=5)
        pane.set_title(f"{name}: {model.evaluate(target)['accuracy']:.0%} of the turned moons")
        pane.set_axis_off()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    source, target = moons(), moons(DEGREES, seed=100)
    models = {name: train(name, source, target) for name in ROUTES}
    for name, model in models.items():
        own, turned = (model.evaluate(domain)["accuracy"] for domain in (source, target))
        print(f"{name}: {turned:.3f} of the turned moons, {own:.3f} of the source's")
    draw(models, source, target, sys.argv[1] if len(sys.argv) > 1 else "moons.png")
