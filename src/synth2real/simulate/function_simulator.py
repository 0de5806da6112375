"""Build a simulator from a function and its declared parameters."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from .base import Drawn, Simulator
from .parameter import Parameter

Draw = Callable[[dict[str, Tensor], Simulator, torch.Generator], Drawn]


def declared(
    *parameters: Parameter,
    classes: Mapping[str, Sequence[str]] | None = None,
    columns: Mapping[str, Sequence[str]] | None = None,
    regions: Sequence[str] = (),
    differentiable: Sequence[str] = (),
    correlations: Mapping[str, float] | None = None,
) -> Callable[[Draw], type[Simulator]]:
    """Decorator that converts a function to a simulator class.

        @declared(Parameter("radius", "pixels", "of the disc", (1, 12), (3, 6)), columns={"place": ("x", "y")})
        def discs(values, frame, generator):
            ...
            return Drawn(images, {"place": centres})

        discs(size=(32, 32)).sample(100, seed=0)

    Args:
        parameters: the parameters of the function, see `Parameter`.
        classes, columns, regions, differentiable: as in `Simulator`.
        correlations: the `default_correlations` of `Simulator`.

    The function has three arguments (see `Simulator.render`): the values, (N,) float32 for each parameter; the
    simulator, for its `size` and `channels`; and the generator of everything random that is not a parameter.
    """

    def made(draw: Draw) -> type[Simulator]:
        def render(self: Simulator, values: dict[str, Tensor], generator: torch.Generator) -> Drawn:
            return draw(values, self, generator)

        body = {
            "__doc__": draw.__doc__,
            "__module__": draw.__module__,
            "render": render,
            "parameters": tuple(parameters),
            "classes": {label: tuple(names) for label, names in (classes or {}).items()},
            "columns": {label: tuple(names) for label, names in (columns or {}).items()},
            "regions": tuple(regions),
            "differentiable": tuple(differentiable),
            "default_correlations": dict(correlations or {}),
        }
        return type(draw.__name__, (Simulator,), body)

    return made
