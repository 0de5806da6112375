"""How much of a feature extractor is trained: nothing, its last layers, or all of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Tune = Literal["frozen", "last", "whole"]
PretrainedNorm = Literal["kept", "trained"]
LAST = 4  # `last` trains one in this many of the layers with weights, from the output
FEW = 1000  # source images, below which a whole pretrained network learns them by heart


def default_tune(pretrained: bool, images: int, device: str) -> Tune:
    """How much of a network is trained if nobody says it.

    | network | machine | source images | trained |
    | --- | --- | --- | --- |
    | from scratch | any | any | whole |
    | pretrained | CPU | any | frozen: a step of the whole network takes too long |
    | pretrained | accelerator | fewer than 1,000 | last |
    | pretrained | accelerator | 1,000 or more | whole |

    Args:
        pretrained: whether its weights are.
        images: number of labelled images.
        device: type of the device, such as `cpu` or `cuda`.
    """
    if not pretrained:
        return "whole"
    if device == "cpu":
        return "frozen"
    return "last" if images < FEW else "whole"


class Tuned(nn.Module):
    """A feature extractor whose weights are pretrained, or of which a part is not trained.

    What is not trained gets no gradient, and stays in evaluation mode.

    Args:
        network: from inputs to features. Its layers are registered in the order of their use.
        tune: `frozen` trains nothing; `last` the last quarter of the layers that have weights; `whole` everything.
        pretrained: whether its weights are pretrained; they may then have their own learning rate.
        norm: `kept` keeps the statistics of a pretrained batch normalisation, `trained` adopts those of the training.
    """

    def __init__(
        self, network: nn.Module, tune: Tune = "frozen", pretrained: bool = False, norm: PretrainedNorm = "kept"
    ) -> None:
        super().__init__()
        self.network, self.tune, self.pretrained = network, tune, pretrained
        order = list(network.modules())
        layers = [i for i, module in enumerate(order) if next(module.parameters(recurse=False), None) is not None]
        trained = {"frozen": 0, "last": -(-len(layers) // LAST), "whole": len(layers)}[tune]
        first = len(order) if trained == 0 else 0 if tune == "whole" else layers[-trained]
        trains = {id(module) for module in order[first:]}
        self.fixed = [m for m in order[:first] if not any(id(inner) in trains for inner in m.modules())]
        kept = pretrained and norm == "kept"
        self._evaluated = [*self.fixed, *(m for m in order[first:] if kept and isinstance(m, _BatchNorm))]
        self._before = order[:first]  # modules, not parameters: a copy may share some of them with its original
        self.settle()
        self.train()

    def settle(self) -> None:
        """Let the parameters take gradients that are trained, and no other."""
        self.network.requires_grad_(True)
        for module in self._before:
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)

    @property
    def held_norms(self) -> list[_BatchNorm]:
        """Batch normalisations whose statistics stay as they are."""
        return [module for module in self._evaluated if isinstance(module, _BatchNorm)]

    def train(self, mode: bool = True) -> Tuned:
        super().train(mode)
        for module in self._evaluated:
            module.training = False
        return self

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.network(x)
        return features

    def maps(self, x: Tensor) -> list[Tensor]:
        """Maps of an encoder, see `dense.Encoder`."""
        found: list[Tensor] = self.network.maps(x)  # type: ignore[operator]
        return found


def tuned_parts(network: nn.Module) -> Iterator[Tuned]:
    """The feature extractors in a network that are pretrained or not wholly trained."""
    return (part for part in network.modules() if isinstance(part, Tuned))
