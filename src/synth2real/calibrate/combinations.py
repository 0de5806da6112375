"""Combinations of parameters that the real images constrain although they constrain none of the parameters alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MOST = 5  # combinations in a result
TERMS = 4  # parameters in a combination
SMALL = 0.3  # share of the largest coefficient, in initial widths, below which a parameter is left out


@dataclass(frozen=True)
class Combination:
    """A weighted sum of parameters that the real images constrain.

    Args:
        coefficients: by parameter, in the order of their weight; the first is 1. A coefficient is in units of the first
            parameter by unit of its own.
        error: standard error of the centre of the sum, as a share of what it is before any image is seen, when each
            parameter is uncertain by one width of its initial range.
    """

    coefficients: dict[str, float]
    error: float

    def __str__(self) -> str:
        """`head_pitch - 0.8 gaze_pitch`."""
        text = ""
        for name, value in self.coefficients.items():
            size = "" if abs(value) == 1 else f"{abs(value):.2g} "
            sign = "-" if value < 0 else "+" if text else ""
            text += f"{' ' if text else ''}{sign}{' ' if text and sign else ''}{size}{name}"
        return text


def combinations(
    names: Sequence[str], widths: Sequence[float], covariance: Tensor, constrained: float
) -> tuple[Combination, ...]:
    """The combinations with the smallest errors, of parameters that are not constrained alone.

    The covariance of the centres is relative to the prior, which is the identity. Its eigenvectors with the smallest
    eigenvalues are the directions about which the images say most. Of each, the parameters with the largest weights are
    kept, and their best combination is stated.

    Args:
        names: the P parameters.
        widths: of their initial ranges, in their units.
        covariance: (P, P), of the centres given the images, in initial widths.
        constrained: largest standard error of a constrained parameter or combination.

    Returns:
        At most `MOST`, the best first. None has the same parameters as another.
    """
    alone = [i for i in range(len(names)) if float(covariance[i, i]) > constrained**2]
    if len(alone) < 2:
        return ()
    inner = covariance[alone][:, alone]
    found: dict[frozenset[str], Combination] = {}
    for direction in torch.linalg.eigh(inner)[1].unbind(1):
        size = direction.abs()
        kept = [i for i in size.argsort(descending=True)[:TERMS].tolist() if size[i] >= SMALL * size.max()]
        if len(kept) < 2:
            continue
        chosen = [alone[i] for i in sorted(kept)]
        vectors = torch.linalg.eigh(covariance[chosen][:, chosen])[1]
        terms = dict(zip(chosen, vectors[:, 0].tolist(), strict=True))
        largest = max(abs(weight) for weight in terms.values())
        terms = {i: weight for i, weight in terms.items() if abs(weight) >= SMALL * largest}
        error = _error(covariance, terms)
        if len(terms) > 1 and error <= constrained:
            of = frozenset(names[i] for i in terms)
            found.setdefault(of, Combination(_in_units(terms, names, widths), error))
    return tuple(sorted(found.values(), key=lambda one: one.error)[:MOST])


def _error(covariance: Tensor, terms: dict[int, float]) -> float:
    """The standard error of a sum with these weights, as a share of that before the images."""
    chosen, weights = list(terms), torch.tensor(list(terms.values()), dtype=covariance.dtype)
    return float((weights @ covariance[chosen][:, chosen] @ weights).clamp(min=0).sqrt() / weights.norm())


def _in_units(terms: dict[int, float], names: Sequence[str], widths: Sequence[float]) -> dict[str, float]:
    """The weights, in initial widths, as coefficients in the units of the parameters, with 1 for the largest weight."""
    order = sorted(terms, key=lambda i: -abs(terms[i]))
    first = terms[order[0]] / widths[order[0]]
    return {names[i]: float(f"{terms[i] / widths[i] / first:.2g}") for i in order}
