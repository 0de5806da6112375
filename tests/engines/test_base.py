"""The library's jobs on every engine, one worker of which is killed: nothing is lost or doubled, all bits are equal."""

from pathlib import Path

import pytest
import torch

from engines.struck import Struck
from helpers import contents
from small_models import corrected, scrambled
from synth2real import Budget, Labelled, Route, Unlabelled, compare
from synth2real.cli.use import predict
from synth2real.comparison import comparison
from synth2real.engines import Engine, Here, engine, spans
from synth2real.refine import Reinhard
from synth2real.refine.folder import RefineJob, refine_folder
from synth2real.simulate import Eyes, external, render

LAMP = Path(__file__).parents[2] / "examples" / "lamp" / "lamp.yaml"


@pytest.fixture(scope="module", params=["processes", "ray"])
def two(request: pytest.FixtureRequest):
    """An engine of two workers."""
    if request.param == "ray":
        request.getfixturevalue("tests_for_ray")
    with engine(request.param, 2) as made:
        yield made


@pytest.fixture
def struck(two: Engine, tmp_path: Path, request: pytest.FixtureRequest):
    """The same, one worker of which is killed."""
    marks = tmp_path / "marks"
    marks.mkdir()
    yield Struck(two, marks, late=request.param)
    assert (marks / "struck").exists()


@pytest.mark.parametrize("struck", [False], indirect=True)
def test_a_render_has_the_same_bits(struck: Struck, tmp_path: Path) -> None:
    simulator = Eyes(size=(18, 30))
    for name, runs in (("alone", None), ("struck", struck)):
        render(simulator, 450, tmp_path / name, 3, masks=True, engine=runs)
    assert contents(tmp_path / "struck") == contents(tmp_path / "alone")
    assert len(contents(tmp_path / "alone")) == 2 * 450 + 3


@pytest.mark.parametrize("struck", [True], indirect=True)
def test_a_refined_folder_has_the_same_bits(struck: Struck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lamps = external(LAMP)(size=(16, 16))
    target = Unlabelled(lamps.sample(20, 9).images)
    monkeypatch.setattr("synth2real.refine.files.CHUNK", 20)
    for name, runs in (("alone", Here()), ("struck", struck)):
        job = RefineJob(lamps, "lamp.yaml", tmp_path / name, Reinhard(), target, n=450, seed=1, engine=runs)
        assert refine_folder(job).images == 450
    assert contents(tmp_path / "struck") == contents(tmp_path / "alone")


@pytest.mark.parametrize("struck", [False], indirect=True)
def test_predictions_have_the_same_bits(struck: Struck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "BATCHES", 1)
    model = scrambled(corrected())
    given = torch.rand(600, 2), ("head_pitch", "exposure")
    images = Unlabelled(torch.randint(256, (600, 1, 36, 60), dtype=torch.uint8), given=given[0], given_columns=given[1])
    groups = ["ann", "bob"] * 300
    expected = model.predict(images, groups=groups).values
    assert torch.equal(predict.predicted(struck, model, images, groups).values, expected)
    alone = predict.predicted(Here(), model, images, None).values
    assert torch.equal(alone, model.predict(images).values)


@pytest.mark.parametrize("struck", [True], indirect=True)
def test_no_training_is_lost_or_repeated(struck: Struck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 2
    source = Labelled(torch.randn(60, 4, generator=generator) + 2 * y[:, None], y, ("no", "yes"))
    target = Unlabelled(torch.randn(40, 4, generator=generator) + 1)
    tables = []
    for name, runs in (("alone", Here()), ("struck", struck)):
        monkeypatch.setattr(comparison, "engine_of", lambda *_, runs=runs: runs)
        folder = tmp_path / name
        rows = compare(
            {"other": Route()}, source, target, budget=Budget(steps=8), seeds=(0, 1), repeat="all", folder=folder
        )
        tables.append([{key: value for key, value in row.items() if key != "seconds"} for row in rows.rows()])
    assert tables[0] == tables[1]
    kept = [sorted(path.name for path in (tmp_path / name / "trials").iterdir()) for name in ("alone", "struck")]
    assert kept[0] == kept[1]


def test_spans_cover_all_images_once() -> None:
    assert [str(part) for part in spans(5, 2)] == ["images 0 to 1", "images 2 to 3", "images 4 to 4"]
    assert [len(part) for part in spans(7, 3, first=3)] == [3, 1]
