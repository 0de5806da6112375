"""AdaBN and DSBN: whose batch statistics, exactly."""

import pytest
import torch

from synth2real.adapt import DSBN, AdaBN
from synth2real.adapt.shared.batch_norm import DomainNorm, choose, held, joined, norms, split_norms, take_statistics
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.errors import InputError
from synth2real.route.route import Route
from synth2real.tasks import Classification
from synth2real.training.loop import SourceBatch, TargetBatch
from synth2real.training.model import Model
from synth2real.training.saved_model import load_model


@pytest.mark.parametrize("method", [AdaBN, DSBN])
def test_a_network_without_batch_statistics_is_refused(method) -> None:
    source = Labelled(torch.randn(20, 5), torch.arange(20) % 2)
    with pytest.raises(InputError, match=r"the network 'linear' has no batch normalisation.*Leave adapt\.network out"):
        Route(adapt=method(network="linear")).run(source, source.unlabelled())


def model() -> Model:
    torch.manual_seed(0)
    return Model(Classification(("a", "b")), (1, 16, 16), norm="batch")


@pytest.mark.parametrize("taken", ["layers", "batches"])
def test_taken_statistics_are_those_of_the_data(taken) -> None:
    network, images = model(), torch.rand(40, 1, 16, 16)
    seen: list[torch.Tensor] = []
    take_statistics(network, images, taken)
    last = norms(network)[-1]
    last.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    network.train() if taken == "batches" else network.eval()
    with torch.no_grad(), held(network):
        network.features(images)
    torch.testing.assert_close(last.running_mean, seen[0].mean((0, 2, 3)), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(last.running_var, seen[0].transpose(0, 1).flatten(1).var(1), atol=1e-4, rtol=1e-4)


def test_a_change_of_contrast_that_fits_the_statistics_is_undone() -> None:
    """Where inputs are normalised by fixed numbers, the first layer's statistics take the change out."""
    torch.manual_seed(0)
    network = Model(Classification(("a", "b")), (5,), norm="batch")
    inputs = torch.randn(64, 5)
    take_statistics(network, inputs, "layers")
    expected = network.outputs(inputs)
    take_statistics(network, 3 * inputs, "layers")
    torch.testing.assert_close(network.outputs(3 * inputs), expected, atol=1e-3, rtol=1e-3)


def test_adabn_ships_a_copy_and_leaves_the_training_alone() -> None:
    method, trained = AdaBN(), model()
    method.prepare(trained, Unlabelled(torch.rand(30, 1, 16, 16)))
    before = {key: value.clone() for key, value in trained.state_dict().items()}
    shipped = method.shipped()
    for key, value in trained.state_dict().items():
        assert torch.equal(value, before[key])
    assert trained.training
    assert not torch.equal(norms(shipped)[0].running_mean, norms(trained)[0].running_mean)
    assert torch.equal(shipped.head[1][0].weight, trained.head[1][0].weight)


def test_held_layers_do_not_update_their_statistics() -> None:
    network = model()
    before = norms(network)[0].running_mean.clone()
    with held(network):
        network(torch.rand(8, 1, 16, 16))
    assert torch.equal(norms(network)[0].running_mean, before)
    network(torch.rand(8, 1, 16, 16))
    assert not torch.equal(norms(network)[0].running_mean, before)


def test_each_domain_has_its_own_branch_and_the_targets_is_shipped(tmp_path) -> None:
    network = model()
    split_norms(network)
    with torch.no_grad():
        next(m for m in network.modules() if isinstance(m, DomainNorm)).target.bias.add_(1.0)
    x = torch.rand(8, 1, 16, 16)
    network.eval()
    ours, theirs = (choose(network, domain)(x) for domain in ("source", "target"))
    assert not torch.allclose(ours, theirs)
    plain = joined(network)
    assert torch.equal(plain(x), theirs)
    assert not any(isinstance(module, DomainNorm) for module in plain.modules())
    plain.save(tmp_path)
    assert torch.equal(load_model(tmp_path).cpu()(x), theirs)


def test_dsbn_counts_each_batch_in_its_own_statistics() -> None:
    method, network = DSBN(), model()
    method.prepare(network, Unlabelled(torch.rand(8, 1, 16, 16)))
    dark, bright = torch.rand(8, 1, 16, 16), torch.rand(8, 1, 16, 16) ** 4
    with torch.no_grad():
        known, unknown = method.features(
            SourceBatch(dark, torch.zeros(8).long(), dark), TargetBatch(bright, bright, None)
        ).chunk(2)
        first = next(m for m in network.modules() if isinstance(m, DomainNorm))
        maps = network.features[1][0](network.features[0](bright))
    assert known.shape == unknown.shape == (8, network.width)
    torch.testing.assert_close(first.target.running_mean, 0.1 * maps.mean((0, 2, 3)), atol=1e-4, rtol=1e-3)
    assert not torch.allclose(first.source.running_mean, first.target.running_mean, atol=1e-3)


@pytest.mark.parametrize(("method", "name"), [(AdaBN, "adabn"), (DSBN, "dsbn")])
def test_a_network_without_batch_normalisation_is_refused(method, name) -> None:
    with pytest.raises(InputError, match=f"{name} needs batch statistics, found adapt.norm 'group', expected 'batch'"):
        method(norm="group").prepare(model(), Unlabelled(torch.rand(8, 1, 16, 16)))


def test_statistics_of_a_sorted_target_are_those_of_the_whole() -> None:
    torch.manual_seed(0)
    network = Model(Classification(("a", "b")), (3,), norm="batch")
    inputs = torch.randn(1500, 3).sort(0).values
    take_statistics(network, inputs, "layers")
    seen: list[torch.Tensor] = []
    first = norms(network)[0]
    first.register_forward_hook(lambda module, received, output: seen.append(received[0]))
    network.outputs(inputs)
    received = torch.cat(seen)
    torch.testing.assert_close(first.running_var, received.var(0), rtol=0.02, atol=1e-4)
    torch.testing.assert_close(first.running_mean, received.mean(0), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("method", [AdaBN, DSBN])
def test_statistics_of_a_pretrained_network_are_kept_or_replaced(method) -> None:
    torch.manual_seed(0)
    images = Unlabelled(torch.rand(8, 1, 16, 16))
    kept = Model(Classification(("a", "b")), (1, 16, 16), norm="batch", pretrained=True)
    with pytest.raises(
        InputError, match=r"those of the network 'convolutional' are kept as they are\. Leave adapt\.pre"
    ):
        method(pretrained_norm="kept").prepare(kept, images)
    trained = Model(kept.task, (1, 16, 16), norm="batch", pretrained=True, pretrained_norm="trained")
    method().prepare(trained, images)
    frozen = Model(kept.task, (1, 16, 16), norm="batch", tune="frozen", bottleneck=4)
    method().prepare(frozen, images)
    inside = [module for module in frozen.backbone.modules() if isinstance(module, DomainNorm)]
    assert not inside
    assert isinstance(frozen.features.bottleneck[1], DomainNorm if method is DSBN else torch.nn.BatchNorm1d)
