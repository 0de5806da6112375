"""The training loop. It trains every method: adversarial or not, on the data (a refiner) or on the model."""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batch_sampler import sampler_of
from ..data.domains import Labelled, Unlabelled, as_fetched, to_float
from ..data.labels import Labels
from ..data.read_ahead import ReadAhead
from ..errors import InputError, TrainingDiverged
from ..transforms.mix import Mix, Mosaic
from ..transforms.warp import Warp
from .distributed import Processes, processes
from .given import append, given_of, move_given, split
from .hardware import Hardware
from .kept.views import Views
from .updates import Gradients, parted
from .updates import Progress as Progress
from .updates import Randomize as Randomize
from .updates import SourceBatch as SourceBatch
from .updates import Speed as Speed
from .updates import TargetBatch as TargetBatch
from .updates import Terms as Terms
from .updates import Update as Update
from .updates import check_parts as check_parts

RATE_SHARE = "rate_share"  # key of a group of parameters: its learning rate as a share of that of the algorithm
CHECK_EVERY = 200  # steps after which the networks of several processes are compared
Report = Callable[[int, dict[str, float]], None]


class Algorithm(ABC):
    """A method for the training loop: some networks, and a generator of updates."""

    networks: dict[str, nn.Module]
    clip: float | None = None  # maximum norm of the gradient of an update
    given_columns: tuple[str, ...] = ()  # given columns that its networks take, as further channels of the inputs
    uses_target: ClassVar[bool] = True  # False: its batches of the target are empty, which saves their randomization
    least_batch: ClassVar[int] = 1  # minimum number of samples per domain in a batch

    @abstractmethod
    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        """Yield each update of one step. The generator resumes after the optimizer step of that update."""

    def source_weights(self, source: Labelled) -> Tensor | None:
        """Weights (N,) with which samples of the source are drawn. None, the default, draws all equally often."""
        return None

    def after_step(self, progress: Progress) -> None:  # noqa: B027
        """Called once per step, after its last update. Does nothing by default."""

    @abstractmethod
    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """A new optimizer for one network."""

    def learning_rate(self, progress: Progress) -> float | None:
        """Learning rate of all optimizers at this point. None keeps the initial rate of each optimizer."""
        return None

    @property
    def finished(self) -> bool:
        """True stops the training early."""
        return False


@dataclass(frozen=True)
class Loop:
    """Settings of the training loop.

    Args:
        steps: number of steps. It does not depend on the speed of the machine.
        batch: samples per domain in each step.
        seed: seed of the batch sampling, the randomization and the dropout.
        hardware: device, precision and memory format.
        randomize: randomization policy for the images of both domains, or None.
        report_every: steps between two reports.
        on_step: called after every step with the step, counted from 1, and the number of steps.
        accumulate: parts in which the losses of a batch are computed one after another, which takes less memory. Their
            gradients are added up before each step of an optimizer. Losses over the statistics of a batch are then of
            its parts.
    """

    steps: int
    batch: int = 64
    seed: int = 0
    hardware: Hardware = dataclasses.field(default_factory=Hardware.detect)
    randomize: Randomize | None = None
    report_every: int = 20
    on_step: Callable[[int, int], None] | None = None
    accumulate: int = 1


class Trainer:
    """Runs the updates of an algorithm step by step.

    All randomness depends only on (seed, step). A run that is resumed from `state` therefore gives the same bits as an
    uninterrupted run. On several processes, see `distributed`, it gives the same up to rounding.

    Args:
        algorithm: the networks and the updates.
        source: labelled domain. Value labels are already in input pixels. None: there is no source, and its batches are
            empty.
        target: unlabelled domain.
        loop: steps, batch, seed, hardware, randomization.
        move: applies a warp to labels (`task.move`).
        mix: mixes labels in the same way as images (`task.mix`). None: a randomization that mixes images raises an
            error.

    Raises:
        InputError: the batch is too small for the losses of the algorithm, or the randomization mixes images and `mix`
            is None.
        TrainingDiverged: a loss term or a gradient is not finite. The weights keep the values from before that step.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        source: Labelled | None,
        target: Unlabelled,
        loop: Loop,
        move: Callable[[Any, Warp | None], Any] = lambda labels, warp: labels,
        mix: Callable[[Any, Mix | Mosaic], Any] | None = None,
    ) -> None:
        self.algorithm, self.source, self.target = algorithm, source, target
        self.loop, self.move, self.mix = loop, move, mix
        self.step, self._taken, self._seconds = 0, 0, 0.0
        self._processes = processes()
        self._check_batch()
        device = loop.hardware.device
        for network in algorithm.networks.values():
            network.to(device, memory_format=loop.hardware.memory_format)  # type: ignore[call-overload]
        self.optimizers = {
            name: algorithm.optimizer(network)
            for name, network in algorithm.networks.items()
            if any(parameter.requires_grad for parameter in network.parameters())
        }
        self._names = {id(network): name for name, network in algorithm.networks.items()}
        weights = None if source is None else algorithm.source_weights(source)
        first = target if source is None else source  # without a source, `_batches` takes no samples of it
        self._samplers = (
            sampler_of(first.inputs, loop.batch, 2 * loop.seed, weights),
            sampler_of(target.inputs, loop.batch, 2 * loop.seed + 1),
        )
        self._labels: Labels = torch.zeros(len(first)) if source is None else loop.hardware.labels(source.labels)
        origin = None if source is None else source.domain
        self._domains = None if origin is None else F.one_hot(origin).float().to(device)
        own = None if self._processes is None else self._processes.own
        self._readers = tuple(
            ReadAhead(loop.hardware.at_hand(as_fetched(domain.inputs)), sampler, loop.steps, own)
            for domain, sampler in zip((first, target), self._samplers, strict=True)
        )
        columns = algorithm.given_columns
        self._given = (given_of(first, columns, "the source"), given_of(target, columns, "the target"))
        self._generator = torch.Generator(device)

    def _check_batch(self) -> None:
        """Raise `InputError` if the batch, or a part of it, is too small."""
        batch, parts, least = self.loop.batch, self.loop.accumulate, self.algorithm.least_batch
        check_parts(batch, parts)
        if batch // parts < least:
            of = f"batch is {batch}" + (f" in {parts} parts (--accumulate)" if parts > 1 else "")
            raise InputError(
                f"{of}, but {type(self.algorithm).__name__} compares statistics of batches: expected {least} samples "
                "of each domain or more. "
                + ("Take fewer parts" if parts > 1 else "Increase the batch: Budget(batch=64)")
            )

    def run(self, report: Report | None = None, checkpoint: Callable[[Trainer], None] | None = None) -> None:
        """Train from the current step to the last step.

        Args:
            report: called with the step and the mean of each term since the last report.
            checkpoint: called after each report.
        """
        sums: dict[str, Tensor] = {}
        counts: dict[str, int] = {}  # an algorithm may skip some updates in some steps
        since = 0
        devices = [self.loop.hardware.device] if self.loop.hardware.device.type == "cuda" else []
        start = time.perf_counter()
        if self._processes is not None:
            self._begin_alike(self._processes)
        by_rows = nullcontext if self._processes is None else self._processes.by_rows
        with torch.random.fork_rng(devices), self._readers[0], self._readers[1]:
            ended = self._agreed_end()
            while not ended:
                with by_rows():
                    found = self._take_step()
                for name, term in found.items():
                    sums[name] = sums[name] + term if name in sums else term
                    counts[name] = counts.get(name, 0) + 1
                since += 1
                if self.loop.on_step is not None:
                    self.loop.on_step(self.step, self.loop.steps)
                ended = self._agreed_end()
                if since == self.loop.report_every or ended:
                    if report is not None:
                        report(self.step, {name: float(total) / counts[name] for name, total in sums.items()})
                    sums, counts, since = {}, {}, 0
                    if checkpoint is not None:
                        checkpoint(self)
        self._seconds += time.perf_counter() - start

    @property
    def speed(self) -> Speed:
        """Of the steps that `run` has taken so far."""
        seconds = max(self._seconds, 1e-9)
        waited = sum(reader.waited for reader in self._readers)
        return Speed(self._taken / seconds, min(1.0, waited / seconds))

    @property
    def ended(self) -> bool:
        """Whether the last step is done, or the algorithm has stopped early."""
        return self.step >= self.loop.steps or self.algorithm.finished

    def _begin_alike(self, processes: Processes) -> None:
        """Begin with the state of the first process, which alone may have read a checkpoint."""
        facts: dict[str, Any] = {
            "the method": type(self.algorithm).__name__,
            "the settings of the loop": [self.loop.steps, self.loop.batch, self.loop.seed, self.loop.accumulate],
            "a source of": list(self._readers[0].inputs.shape),
            "a target of": list(self._readers[1].inputs.shape),
        }
        state = processes.begin(facts, self.state())
        if not processes.first:
            self.restore(state)

    def _agreed_end(self) -> bool:
        """Whether the training is over; on several processes the first one decides, and networks are compared."""
        if self._processes is None:
            return self.ended
        ended = self._processes.says(self.ended)
        if self._taken and (ended or self._taken % CHECK_EVERY in (0, 1)):
            self._processes.check_equal(self.algorithm.networks)
        return ended

    def _take_step(self) -> dict[str, Tensor]:
        progress = Progress(self.step, self.loop.steps)
        seed = self.loop.seed * 1_000_003 + self.step
        torch.manual_seed(2 * seed)  # for dropout; fork_rng protects the global random state of the user
        self._generator.manual_seed(2 * seed + 1)  # for randomization, which is independent of the dropout
        rate = self.algorithm.learning_rate(progress)
        if rate is not None:
            for optimizer in self.optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = rate * group.get(RATE_SHARE, 1.0)
        terms: dict[str, Tensor] = {}
        parts = [
            (share, self.algorithm.updates(*batches, progress))
            for share, batches in parted(*self.batches(), self.loop.accumulate)
        ]
        while (gradients := self._next(parts)) is not None:
            self._take(gradients)
            terms.update(gradients.terms)
            del gradients  # not kept while the next ones are computed
        self.algorithm.after_step(progress)
        self.step, self._taken = self.step + 1, self._taken + 1
        return terms

    def _next(self, parts: list[tuple[float, Iterator[Update]]]) -> Gradients | None:
        """The gradients of the next update, added up over the parts of the batch; None after the last update."""
        whole: Gradients | None = None
        for share, updates in parts:
            with self.loop.hardware.autocast():
                update = next(updates, None)
            if update is not None:
                part = self._gradients(update).scaled(share)
                whole = part if whole is None else whole.plus(part)
        return whole if whole is None or self._processes is None else self._processes.mean(whole)

    def batches(self, ahead: int = 0) -> tuple[SourceBatch, TargetBatch]:
        """The batches of the current step, or of a step `ahead` of it."""
        step = self.step + ahead
        index, target_index = (sample(step) for sample in self._samplers)
        index = index[:0] if self.source is None else index
        clean, x, warp = self._draw(0, index, step)
        labels = self._labels[index.to(self._labels.device) if isinstance(self._labels, Tensor) else index]
        labels = labels.to(self.loop.hardware.device)  # masks that are decoded on access
        domain = None if self._domains is None else self._domains[index.to(self._domains.device)]
        source = self._mixed(SourceBatch(x, self.move(labels, warp), clean, domain))
        target_index = target_index if self.algorithm.uses_target else target_index[:0]
        clean, x, warp = self._draw(1, target_index, step)
        return source, TargetBatch(x, clean, warp, target_index)

    def _draw(self, domain: int, index: Tensor, step: int) -> tuple[Tensor, Tensor, Warp | None]:
        """Samples of a domain (0 the source, 1 the target): clean and randomized, with given values; and the warp."""
        every = self._given[domain]
        given = None if every is None else every[index].to(self.loop.hardware.device)
        reader = self._readers[domain]
        inputs = reader(step) if len(index) else reader.inputs[index]
        if reader.own is not None and len(index):
            assert self._processes is not None
            inputs = self._processes.gathered(inputs.to(self.loop.hardware.device), len(index))
        clean = to_float(inputs.to(self.loop.hardware.device, non_blocking=True))
        if isinstance(reader.inputs, Views) and len(index):
            x = reader.inputs.draw(index, self._generator).to(clean.device)
            return append(clean, given), append(x, given), None
        if self.loop.randomize is None or clean.ndim != 4 or len(clean) == 0:
            clean = append(clean, given)
            return clean, clean, None
        if self._processes is None:
            x, warp = self.loop.randomize.draw(clean, self._generator)
        else:
            x, warp = self._processes.randomized(self.loop.randomize, clean, self._generator)
        moved = None if given is None else move_given(given, self.algorithm.given_columns, warp)
        return append(clean, given), append(x, moved), warp

    def _mixed(self, source: SourceBatch) -> SourceBatch:
        if self.loop.randomize is None or source.x.ndim != 4:
            return source
        x, given = split(source.x, len(self.algorithm.given_columns))
        mix = self.loop.randomize.mix(x, self._generator)
        if mix is None:
            return source
        if self.mix is None:
            raise InputError(
                "the randomization mixes images, but labels cannot be mixed here, expected a randomization without "
                "mixing. Remove the mixing"
            )
        domain = None if source.domain is None else mix.labels(source.domain)
        mixed = append(mix.image(x), None if given is None else mix.labels(given))
        return SourceBatch(mixed, self.mix(source.y, mix), source.clean, domain)

    def _gradients(self, update: Update) -> Gradients:
        """The gradients of an update. Only its networks get any."""
        loss = update.loss()
        parameters = [p for optimizer in self._of(update) for group in optimizer.param_groups for p in group["params"]]
        each = torch.autograd.grad(loss, parameters, allow_unused=True)  # backward(inputs=) would copy each gradient
        terms = {name: term.detach() for name, (_, term) in update.terms.items()}
        return Gradients(update, loss.detach(), terms, parameters, list(each))

    def _of(self, update: Update) -> list[torch.optim.Optimizer]:
        return [self.optimizers[self._names[id(network)]] for network in update.of]

    def _take(self, gradients: Gradients) -> None:
        """Check the gradients, step the optimizers of the update's networks, clear."""
        optimizers, loss = self._of(gradients.update), gradients.loss
        for parameter, gradient in zip(gradients.parameters, gradients.each, strict=True):
            parameter.grad = gradient
        norm = nn.utils.get_total_norm([gradient for gradient in gradients.each if gradient is not None])
        finite = bool(torch.isfinite(loss) & torch.isfinite(norm))  # one check: each check synchronises an accelerator
        if finite:
            if self.algorithm.clip is not None:
                nn.utils.clip_grads_with_norm_(gradients.parameters, self.algorithm.clip, norm)
            try:
                for optimizer in optimizers:
                    optimizer.step()
            except RuntimeError as error:
                if "overflow" not in str(error):
                    raise
                raise TrainingDiverged(self.step + 1, "learning rate", float("inf"), taken=True) from None
        for optimizer in optimizers:
            optimizer.zero_grad()
        if not finite:
            raise self._diverged(gradients, norm)

    def _diverged(self, gradients: Gradients, norm: Tensor) -> TrainingDiverged:
        """The error, which names the value that is not finite: a term, the sum of all terms, or the gradient."""
        terms, loss = gradients.terms, gradients.loss
        if torch.isfinite(loss):
            return TrainingDiverged(self.step + 1, f"gradient of {' + '.join(terms)}", float(norm))
        name, bad = next(((n, t) for n, t in terms.items() if not torch.isfinite(t)), ("all terms", loss))
        return TrainingDiverged(self.step + 1, name, float(bad))

    def state(self) -> dict[str, Tensor]:
        """State for `restore`: the step, networks and optimizers, as a flat dictionary of tensors."""
        state = {"step": torch.tensor(self.step)}
        for name, network in self.algorithm.networks.items():
            state |= {f"network.{name}.{key}": value for key, value in network.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            for index, moments in optimizer.state_dict()["state"].items():
                state |= {f"optimizer.{name}.{index}.{key}": value for key, value in moments.items()}
        return {key: value.detach().clone().contiguous() for key, value in state.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue the training from a `state`."""
        self.step = int(state["step"])
        for name, network in self.algorithm.networks.items():
            network.load_state_dict(_below(state, f"network.{name}."))
        for name, optimizer in self.optimizers.items():
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(state, f"optimizer.{name}.").items():
                index, _, moment = key.partition(".")
                moments.setdefault(int(index), {})[moment] = value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
