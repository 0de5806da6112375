"""Correlations between parameters: a Gaussian copula, which leaves the distribution of each parameter as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from .distributions import SMALLEST, is_number

LEAST = 1e-6  # smallest eigenvalue of a matrix that counts as positive definite


def pair_key(first: str, second: str) -> str:
    """The key of the correlation between two parameters: `head_yaw ~ gaze_yaw`."""
    return f"{first} ~ {second}"


def read_correlations(where: str, found: Any, names: Sequence[str]) -> dict[str, float]:
    """Correlations by pair, with each key in the order of the parameters.

    Args:
        where: start of each message.
        found: what a user wrote: a mapping from `a ~ b` to a number above -1 and below 1.
        names: the parameters, in order.

    Raises:
        InputError: it is no such mapping, a parameter is unknown, or a pair is repeated.
    """
    if not isinstance(found, Mapping):
        raise InputError(f"{where} correlations is {found!r}, expected pairs such as {{'a ~ b': 0.5}}")
    read: dict[str, float] = {}
    for key, value in found.items():
        pair = [name.strip() for name in str(key).split("~")]
        if len(pair) != 2 or pair[0] == pair[1]:
            raise InputError(f"{where} correlations has the key {key!r}, expected two parameters, such as 'a ~ b'")
        for name in pair:
            if name not in names:
                raise InputError(
                    f"{where} correlations has '{key}', but there is no parameter '{name}', expected two of: "
                    f"{', '.join(names)}"
                )
        if not (is_number(value) and -1 < value < 1):
            raise InputError(f"{where} the correlation '{key}' is {value!r}, expected a number above -1 and below 1")
        ordered = pair_key(*sorted(pair, key=list(names).index))
        if ordered in read:
            raise InputError(f"{where} correlations has the pair '{ordered}' twice. Give it once")
        read[ordered] = float(value)
    return read


class Copula:
    """Correlated probabilities: independent ones become normal values, are mixed, and become probabilities again.

    Args:
        correlations: by pair `a ~ b`: the correlation of the normal values. Pairs without an entry have 0.
    """

    def __init__(self, correlations: Mapping[str, float]) -> None:
        self.correlations = {key: value for key, value in correlations.items() if value}
        pairs = [key.split(" ~ ") for key in self.correlations]
        self.names = list(dict.fromkeys(name for pair in pairs for name in pair))
        self.matrix = torch.eye(len(self.names), dtype=torch.float64)
        for (first, second), value in zip(pairs, self.correlations.values(), strict=True):
            i, j = self.names.index(first), self.names.index(second)
            self.matrix[i, j] = self.matrix[j, i] = value

    def check(self, where: str) -> None:
        """Raise `InputError` if the correlations contradict each other. It names the pair with the largest part in it.

        Along the eigenvector of the smallest eigenvalue, the pair's term of the quadratic form is the most negative.
        """
        if not self.names:
            return
        values, vectors = torch.linalg.eigh(self.matrix)
        if values[0] >= LEAST:
            return
        weight: dict[str, float] = dict(zip(self.names, vectors[:, 0].tolist(), strict=True))

        def term(key: str) -> float:
            first, second = key.split(" ~ ")
            return self.correlations[key] * weight[first] * weight[second]

        worst = min(self.correlations, key=term)
        raise InputError(
            f"{where} the correlation '{worst}' is {self.correlations[worst]:g}, which contradicts the others: they "
            f"are no positive definite matrix (smallest eigenvalue {float(values[0]):.2g}). Pairs without an entry "
            "have 0. Move it towards 0, or give the pairs that are missing"
        )

    def __call__(self, units: dict[str, Tensor]) -> dict[str, Tensor]:
        """The probabilities (N,) in 0..1 of all parameters, with those of the correlated ones replaced."""
        if not self.names:
            return units
        unit = torch.stack([units[name] for name in self.names])
        normal = torch.special.ndtri(unit.clamp(SMALLEST, 1 - SMALLEST))
        mixed = torch.linalg.cholesky(self.matrix).to(normal) @ normal
        return units | dict(zip(self.names, torch.special.ndtr(mixed).unbind(), strict=True))
