"""FeatureMapping: transforms the features of both domains, then a model is trained on the transformed features."""

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
from ...plugins import Registry
from ...settings import build, described, settings
from ...training.loop import Loop, Report
from ...training.mapping import Mapping
from ..base import Objective
from .closed_form_self_training import SelfTraining

LEAST = 2  # fewest samples of a domain; one sample has no distribution


class _Learnt(Mapping):
    """The learnt state of a mapping, which is not a setting: the target's map; None if the target is not changed."""

    feature_map: FeatureMap | None = None


@settings
class FeatureMapping(_Learnt):
    """Base class of the explicit mappings of features.

    A method implements `learn`, which learns from both domains. The model keeps the map for target features, so
    prediction accepts unmapped features. The source can have a different map.

    Args:
        then: how the model on the mapped features is trained: an objective, its name, or `{method: NAME, FIELD:
            VALUE}`.
    """

    default_randomization: ClassVar[str | None] = None
    assumes_source_balance: ClassVar[bool] = True
    takes_sparse: ClassVar[bool] = False
    objectives: ClassVar[Registry[Any]]  # by name, for `then`; the package `adapt` sets it
    then: InstanceOf[Objective] = dataclasses.field(default_factory=SelfTraining)

    @field_validator("then", mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        if isinstance(given, str | dict):
            values = {"method": given} if isinstance(given, str) else dict(given)
            return build(
                cls.objectives,
                str(values.pop("method", None)),
                values,
                stage="adapt.then",
                package=values.pop("package", None),
            )
        return given

    @field_serializer("then")
    def _as_plain(self, then: Objective) -> dict[str, Any]:
        return described(self.objectives, then)

    def check(self, source: Labelled, target: Unlabelled | None = None) -> None:
        domains: dict[str, Labelled | Unlabelled] = {"source": source} | ({} if target is None else {"target": target})
        for name, domain in domains.items():
            if len(domain.shape) != 1:
                raise InputError(
                    f"--adapt {self.name} needs feature vectors (.npz with `features`, or svmlight), found images "
                    f"{'x'.join(map(str, domain.shape))} in the {name}. For images choose --adapt dann or teacher"
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
                "features of the same width in both"
            )

    def fit(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None = None) -> Self:
        self.fit_transform(source, target, loop, report)
        return self

    def fit_transform(
        self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None = None
    ) -> tuple[Labelled, Unlabelled]:
        """Learn the mapping, and return both domains mapped.

        Raises:
            InputError: the inputs are images, the widths of the features differ, the features are sparse but the method
                needs dense ones, or a domain has fewer than two samples.
        """
        self.check(source, target)
        self.shape = source.shape
        ours, theirs = self.learn(source, target, loop, report)
        return dataclasses.replace(source, inputs=ours), dataclasses.replace(target, inputs=theirs)

    @abstractmethod
    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> tuple[Inputs, Inputs]:
        """Learn from both domains and return their mapped features. Store the target's map as `feature_map`."""

    @property
    def steps(self) -> int:
        """Steps of the training loop; 0 for a closed form."""
        return 0

    @torch.no_grad()
    def transform(self, x: Tensor) -> Tensor:
        """Map source features (N, F) to (N, width) float32."""
        mapped: Tensor = x if self.feature_map is None else self.feature_map(to_float(x))
        return mapped

    def save(self, folder: str | Path) -> None:
        """Not supported. The model trained on mapped features contains the map; save that model."""
        raise InputError(
            f"{folder}: adapt {self.name} is part of the trained model. Save the model: model.save(folder)"
        )
