"""The store of a comparison keeps the joint distribution of a calibrated simulator, and what refinement moved."""

import json
from dataclasses import replace

import torch

from discs import discs
from helpers import same
from ramps import ramps
from synth2real.calibrate import Calibration
from synth2real.comparison.comparison import compare
from synth2real.comparison.trials import TrialStore, fingerprint
from synth2real.data.labels import Boxes, Masks
from synth2real.refine import Style
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.simulate import Digits, Empirical, Normal


def test_a_stored_search_gives_the_same_simulator(tmp_path):
    source = ramps(size=(8, 8), ranges={"nothing": 0.5})
    found = {"level": Normal(0.4, 0.1)}
    given = {"slope": Empirical((-0.1, 0, 0.4))}
    correlations = {"level ~ slope": 0.6}
    calibrated = source.with_ranges(**found, **given).with_correlations(correlations)
    calibration = Calibration(
        calibrated, {"level": (0.3, 0.5)}, found, 0.5, 0.25, (0.5, 0.25), given=given, correlations=correlations
    )
    store, widened = TrialStore(tmp_path / "trials"), calibrated.widened(1.5)
    store.keep_search("search", widened, calibration, 2.0)
    again, kept, seconds = store.search("search", source)
    assert (kept, seconds) == (calibration, 2.0)
    assert torch.equal(again.sample(9, 0).images, widened.sample(9, 0).images)


def test_a_search_of_an_earlier_version_is_read(tmp_path):
    kept = {"ranges_before": {"level": [0.3, 0.5]}, "ranges": {"level": [0.4, 0.6]}, "before": 1, "after": 0.5}
    text = json.dumps({"ranges": {"level": [0.4, 0.6]}, "calibration": {**kept, "trials": [1]}, "seconds": 1.0})
    store = TrialStore(tmp_path / "trials")
    (tmp_path / "trials" / "search.json").write_text(text)
    simulator, calibration, _ = store.search("search", ramps(size=(8, 8)))
    assert simulator.range("level") == (0.4, 0.6)
    assert calibration.ranges == {"level": (0.4, 0.6)}


def test_what_a_trial_left_out_is_stored(tmp_path):
    source = Digits(size=(8, 8)).labelled(60, 0)
    target = Digits(size=(8, 8)).labelled(40, 1).unlabelled()
    routes = {"source only": Route(), "styled": Route(refine=Style(reject=0.2))}
    first, again = (
        compare(routes, source, target, budget=Budget(steps=3, batch=8), seeds=(0,), folder=tmp_path) for _ in range(2)
    )
    runs = [one.candidates[1].trials[0].run for one in (first, again)]
    kept, trained = (getattr(runs[1], name) for name in ("displacement", "trained_on"))
    assert torch.equal(kept.scores, runs[0].displacement.scores)
    assert 0 < len(kept.rejected) == len(runs[0].rendered) - len(trained)
    index = torch.arange(len(trained))
    same(trained.inputs[index], runs[0].trained_on.inputs[index], within=2)


def test_the_fingerprint_of_a_domain_depends_on_every_mask_and_box():
    made = discs(70, 0)
    other = made.labels.tensor.clone()
    other[-1, 0, 0] = 1
    assert fingerprint(made) == fingerprint(replace(made, labels=Masks(made.labels.tensor.clone())))
    assert fingerprint(made) != fingerprint(replace(made, labels=Masks(other)))
    none = torch.zeros(69, dtype=torch.int64)
    boxes = [
        Boxes(torch.tensor([[1.0, 2.0, 5.0, right]]), none[:1], torch.cat([none[:1], none + 1, none[:1] + 1]))
        for right in (6.0, 7.0)
    ]
    found = {fingerprint(replace(made, labels=one)) for one in (*boxes, boxes[0])}
    assert len(found) == 2
