"""Gradient descent on the ranges, through a simulator that is differentiable in its parameters."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..simulate import Empirical, Normal, Parameter, Simulator
from ..simulate.distributions import normal_at
from .image_statistics import measure
from .ranges import DEVIATIONS, REACH, WIDEST, Space

RATE = 0.08  # initial learning rate of Adam, in widths of the initial range per step; it falls to 0 at the last step
AVERAGED = 0.2  # the result is the mean over this last share of the steps
DIRECTIONS = 128


def descend(
    space: Space,
    simulator: Simulator,
    real: Tensor,
    steps: int,
    images: int,
    seed: int,
    on_step: Callable[[int, int, float], None],
) -> tuple[dict[str, float], list[float]]:
    """The point that was found, and the distance of each step.

    Each step samples parameters from the ranges, so that gradients flow to the centres and widths of the ranges. It
    renders images and computes the sliced Wasserstein distance between their statistics and those of the real images.
    The random numbers are the same in every step.

    Args:
        real: (N, C, H, W) images.
        steps: number of optimizer steps.
        images: rendered images per step.
        seed: seed of all randomness.
        on_step: called with the step, the number of steps and the distance.
    """
    goal = measure(real)
    mean, scale = goal.mean(0), goal.std(0).clamp(min=1e-3)
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(goal.shape[1], DIRECTIONS, generator=generator)
    vectors = vectors / vectors.norm(dim=0)
    levels = (torch.arange(64) + 0.5) / 64
    goal = torch.quantile((goal - mean) / scale @ vectors, levels, dim=0)
    point = space.vector(space.start()).float().requires_grad_()
    optimizer = torch.optim.Adam([point], RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    distances, path = [], []
    for step in range(steps):
        made = torch.cat([measure(part) for part in _rendered(space, simulator, point, images, seed)])
        distance = (torch.quantile((made - mean) / scale @ vectors, levels, dim=0) - goal).abs().mean()
        optimizer.zero_grad()
        distance.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            count = len(space.names)
            point[:count].clamp_(-REACH, REACH)
            point[count:].clamp_(space.narrowest, WIDEST)
        path.append(point.detach().clone())
        distances.append(float(distance.detach()))
        on_step(step + 1, steps, distances[-1])
    last = torch.stack(path[-max(1, round(AVERAGED * steps)) :])
    return space.point(last.double().mean(0)), distances


def _rendered(space: Space, simulator: Simulator, point: Tensor, images: int, seed: int) -> list[Tensor]:
    """Rendered images, float32, in chunks, with gradients to the point (2P,)."""
    count, chunks = len(space.names), []
    for i in range(-(-images // simulator.chunk)):
        generator = simulator.generator(seed * 1_000_003 + i)
        values, units = {}, simulator.units(generator)
        for parameter in simulator.parameters:
            unit = units[parameter.name]
            if parameter.name not in space.names:
                values[parameter.name] = parameter.at(unit, simulator.sampling(parameter.name))
                continue
            k = space.names.index(parameter.name)
            values[parameter.name] = _drawn(space, k, parameter, unit, point[k], point[count + k])
        chunks.append(simulator.render(values, generator).images)
    return chunks


def _drawn(space: Space, k: int, parameter: Parameter, unit: Tensor, centre: Tensor, width: Tensor) -> Tensor:
    """The values (N,) of the searched parameter k at probabilities `unit`, with gradients to its centre and width."""
    (low, high), (least, most), shape = space.own[k], space.limits[k], space.shapes[k]
    middle, half = (low + high) / 2 + centre * (high - low), width * (high - low) / 2
    if isinstance(shape, Normal):
        return normal_at(unit, middle, 2 * half / DEVIATIONS, (least, most))
    ends = (middle - half).clamp(least, most), (middle + half).clamp(least, most)
    if isinstance(shape, Empirical):
        return torch.lerp(*ends, (shape.at(unit, (least, most)) - low) / (high - low))
    return parameter.draw(unit, *ends)
