"""Kept features: computed once, by content, and the same as those that the model computes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from synth2real.randomize import Photometric
from synth2real.tasks import Classification
from synth2real.training.given import WithGiven
from synth2real.training.kept import FeatureStore, Views
from synth2real.training.kept.store import content_of
from synth2real.training.model import Model


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model(Classification(("a", "b")), (3, 16, 16), tune="frozen", bottleneck=8).eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randint(0, 256, (70, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def counted(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the views that are computed from now on, as they are."""
    calls: list[int] = []
    compute = store._computed

    def computed(*given: object) -> Tensor:
        calls.append(given[-1])  # type: ignore[arg-type]
        return compute(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "_computed", computed)
    return calls


def test_predictions_from_kept_features_are_those_from_images(model: Model, images: Tensor) -> None:
    store = FeatureStore()
    assert torch.allclose(model.outputs(store.standing_in(model, images)), model.outputs(images), atol=2e-3)
    assert torch.allclose(store.plain(model, images).float(), model.extract(images), atol=2e-3)


def test_given_values_stay_beside_kept_features(model: Model, images: Tensor) -> None:
    given = torch.arange(70.0)[:, None]
    found = FeatureStore().standing_in(model, WithGiven(images, given))
    assert found[torch.tensor([3, 5])][:, -1].tolist() == [3.0, 5.0]


def test_features_are_computed_once_for_the_same_images_and_weights(
    model: Model, images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = FeatureStore(tmp_path).views(model, images, Photometric(), 3)
    store = FeatureStore(tmp_path)
    calls = counted(store, monkeypatch)
    again = store.views(model, images.clone(), Photometric(), 3)
    assert calls == []
    assert again.randomized is not None
    assert first.randomized is not None
    assert torch.equal(again.randomized, first.randomized)
    store.views(model, images, Photometric(), 4)
    assert calls == [3]  # one more view is computed, the others are there


def test_other_images_weights_or_randomization_are_computed_anew(
    model: Model, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FeatureStore()
    store.views(model, images, Photometric(), 1)
    calls = counted(store, monkeypatch)
    changed = images.clone()
    changed[0, 0, 0, 0] ^= 1
    store.plain(model, changed)
    store.views(model, images, Photometric(strength=0.3), 1)
    with torch.no_grad():
        next(model.backbone.parameters()).mul_(2)
    store.plain(model, images)
    assert len(calls) == 3


def test_another_normalisation_has_other_features(images: Tensor) -> None:
    store, found = FeatureStore(), []
    for statistics in ("per-image", "none"):
        torch.manual_seed(0)  # the same weights, means and deviations
        other = Model(Classification(("a", "b")), (3, 16, 16), tune="frozen", statistics=statistics).eval()
        found.append(store.plain(other, images))
        assert torch.allclose(found[-1].float(), other.extract(images), atol=2e-3)
    assert not torch.equal(*found)


def test_views_take_no_more_memory_than_there_is(model: Model, images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = FeatureStore().plain(model, images)
    monkeypatch.setattr("synth2real.training.kept.store.limit", lambda: 4 * plain.nbytes)
    assert len(FeatureStore().views(model, images, Photometric(), 8).every()) == 2


def test_a_damaged_file_is_computed_anew(model: Model, images: Tensor, tmp_path: Path) -> None:
    before = FeatureStore(tmp_path).plain(model, images)
    for file in tmp_path.iterdir():
        file.write_bytes(b"no tensors")
    assert torch.equal(FeatureStore(tmp_path).plain(model, images), before)


def test_a_place_that_cannot_be_written_keeps_features_in_memory_and_says_so(
    model: Model, images: Tensor, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    store = FeatureStore(tmp_path / "file" / "folder")
    with pytest.warns(UserWarning, match="kept in memory only"):
        store.plain(model, images)
    store.plain(model, images)  # without another warning


def test_a_view_is_drawn_for_each_sample() -> None:
    plain = torch.zeros(50, 2).half()
    views = Views(plain, torch.arange(1.0, 4)[:, None, None].expand(3, 50, 2).half())
    drawn = views.draw(torch.arange(50), torch.Generator().manual_seed(0))
    assert set(drawn[:, 0].tolist()) == {1.0, 2.0, 3.0}
    assert views[torch.tensor([4])].tolist() == [[0.0, 0.0]]
    assert views.every().shape == (3, 50, 2)
    assert views.mean().tolist() == [2.0, 2.0]


def test_a_shift_moves_every_view() -> None:
    views = Views(torch.zeros(5, 2).half(), torch.ones(2, 5, 2).half(), shift=torch.tensor([1.0, -1.0]))
    assert views[torch.tensor([0])].tolist() == [[1.0, -1.0]]
    assert views.subset(torch.tensor([1])).mean().tolist() == [2.0, 0.0]


def test_the_model_stays_in_its_mode(model: Model, images: Tensor) -> None:
    model.train()
    FeatureStore().plain(model, images)
    assert model.training


def test_the_content_of_images_is_their_pixels_in_any_memory_format(images: Tensor) -> None:
    assert content_of(images) == content_of(images.contiguous(memory_format=torch.channels_last))
    assert content_of(images) != content_of(images[:, :, :, :15])
