"""Mappings: what is decoded on access is mapped on access, to the same bits."""

import pytest
import torch

from sharded import tars
from synth2real import load, load_unlabelled
from synth2real.data.batch_sampler import ShardSampler, sampler_of
from synth2real.refine import Histogram
from synth2real.route.route import refine_all
from synth2real.training.loop import Loop
from synth2real.training.mapping import Mapped


def test_streamed_inputs_are_mapped_batch_by_batch(tmp_path) -> None:
    source, streamed = (load(tars(tmp_path), memory=memory) for memory in (None, 0))
    refiner = Histogram().fit(source, load_unlabelled(tmp_path), Loop(steps=1))
    whole, lazy = (refine_all(refiner, one) for one in (source, streamed))
    assert isinstance(whole, torch.Tensor)
    assert isinstance(lazy, Mapped)
    index = torch.randperm(20)
    assert torch.equal(lazy[index], whole[index])
    assert (len(lazy), lazy.shape) == (20, whole.shape)
    assert type(sampler_of(lazy, 4, 0)) is ShardSampler
    assert torch.equal(lazy.subset(index[:3])[torch.tensor([2])], whole[index[2:3]])


@pytest.mark.parametrize("memory", [None, 0])
def test_training_on_shards_is_resumed_with_the_same_bits(tmp_path, memory: int | None) -> None:
    import synth2real as s2r
    from synth2real.adapt import DANN
    from synth2real.training.loop import Trainer

    source, target = load(tars(tmp_path), memory=memory), load_unlabelled(tmp_path, memory=memory)
    task = s2r.tasks.Classification.of(source)

    def trainer(seed: int = 0) -> Trainer:
        objective = s2r.Route(adapt=DANN()).prepare(source, target, task, seed)
        return Trainer(objective, source, target, Loop(steps=6, batch=8, seed=seed), task.move, task.mix)

    states = {}
    whole = trainer()
    whole.run(checkpoint=lambda one: None)
    begun = trainer()
    begun.loop = Loop(steps=6, batch=8, report_every=1)
    begun.run(checkpoint=lambda one: states.setdefault(one.step, one.state()))
    resumed = trainer()
    resumed.restore(states[3])
    resumed.run()
    found = resumed.state()
    for name, value in whole.state().items():
        assert torch.equal(value, found[name]), name
