"""FeatureMapping: features of both domains are mapped first, then a model is trained on what comes out."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from pydantic import InstanceOf, field_serializer, field_validator
from torch import Tensor

from ...data.domains import Inputs, Labelled, Unlabelled, to_float
from ...data.sparse import Sparse
from ...errors import InputError
from ...networks.feature_maps import FeatureMap
from ...settings import build, name_of, settings, to_dict
from ...training.loop import Loop, Report
from ...training.mapping import Mapping
from ..base import Objective
from .self_training import SelfTraining

LEAST = 2  # samples of a domain, below which it has no distribution


class _Learnt(Mapping):
    """What a mapping has learnt, which is no setting: the target's map; None where the target stays as it is."""

    feature_map: FeatureMap | None = None


@settings
class FeatureMapping(_Learnt):
    """What every explicit mapping of features shares.

    A method says what it learns from both domains (`learn`). The model keeps the map of the target's features, so that
    prediction takes them as they are; the source may have been mapped otherwise.

    Args:
        then: how the model on top is trained: an objective, its name, or `{method: NAME, FIELD: VALUE}`.
    """

    default_randomization: ClassVar[str | None] = None
    assumes_source_balance: ClassVar[bool] = True
    takes_sparse: ClassVar[bool] = False
    objectives: ClassVar[dict[str, type[Objective]]] = {}  # by name, for `then`; the table of `adapt` fills it
    then: InstanceOf[Objective] = dataclasses.field(default_factory=SelfTraining)

    @field_validator("then", mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        if isinstance(given, str | dict):
            values = {"method": given} if isinstance(given, str) else dict(given)
            return build(cls.objectives, str(values.pop("method", None)), values, stage="adapt.then")
        return given

    @field_serializer("then")
    def _as_plain(self, then: Objective) -> dict[str, Any]:
        return {"method": name_of(self.objectives, then), **to_dict(then)}

    def check(self, source: Labelled, target: Unlabelled | None = None) -> None:
        domains: dict[str, Labelled | Unlabelled] = {"source": source} | ({} if target is None else {"target": target})
        for name, domain in domains.items():
            if len(domain.shape) != 1:
                raise InputError(
                    f"adapt {self.name} needs features, the {name} holds images of shape {domain.shape}. Choose a "
                    "method that serves images, such as --adapt dann or teacher"
                )
            if isinstance(domain.inputs, Sparse) and not self.takes_sparse:
                raise InputError(
                    f"adapt {self.name} takes dense features, the {name} holds sparse ones, {domain.shape[0]} wide. "
                    "Choose --adapt msda or sda, or make them dense: Unlabelled(x.inputs.dense()) in Python"
                )
            if len(domain) < LEAST:
                raise InputError(f"adapt {self.name}: the {name} holds {len(domain)} sample, expected {LEAST} or more")
        if target is not None and source.shape != target.shape:
            raise InputError(
                f"adapt {self.name}: the source has {source.shape[0]} features, the target {target.shape[0]}, expected "
                "features of one width in both"
            )

    def fit(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None = None) -> Self:
        self.fit_transform(source, target, loop, report)
        return self

    def fit_transform(
        self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None = None
    ) -> tuple[Labelled, Unlabelled]:
        """Learn the mapping, and answer both domains mapped.

        Raises:
            InputError: images, features of differing width, sparse ones where only dense ones are served, or a domain
                of fewer than two samples.
        """
        self.check(source, target)
        self.shape = source.shape
        ours, theirs = self.learn(source, target, loop, report)
        return dataclasses.replace(source, inputs=ours), dataclasses.replace(target, inputs=theirs)

    @abstractmethod
    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> tuple[Inputs, Inputs]:
        """Learn from both domains and answer their mapped features; keep the target's map as `feature_map`."""

    @property
    def steps(self) -> int:
        """Of the loop; 0 for a closed form."""
        return 0

    @torch.no_grad()
    def transform(self, x: Tensor) -> Tensor:
        """Features of the source (N, F) mapped, (N, width) float32."""
        mapped: Tensor = x if self.feature_map is None else self.feature_map(to_float(x))
        return mapped

    def save(self, folder: str | Path) -> None:
        """Refused: the model that is trained on mapped features keeps the map, and is what to save."""
        raise InputError(f"{folder}: adapt {self.name} is kept by the model. Save that: model.save(folder)")
