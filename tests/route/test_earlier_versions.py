"""Settings of runs that earlier versions made."""

import pytest
import yaml

from synth2real import Route
from synth2real.adapt import DANN, MSDA, SelfTraining, Teacher
from synth2real.errors import InputError
from synth2real.randomize import Full
from synth2real.route.earlier_versions import completed_route, difference, migrated_route
from synth2real.route.run_folder import SETTINGS, RunFolder

NEW = {"randomize": ("mosaic",), "adapt": ("objects", "paste", "rare")}  # settings that earlier versions did not have


def plain(route: Route) -> dict:
    return yaml.safe_load(yaml.safe_dump(route.describe()))


def former(route: Route, rate: float | None = None) -> dict:
    """The route as an earlier version described it: without new settings, and with the learning rate written out."""
    found = plain(route)
    for stage, names in NEW.items():
        for name in names:
            (found[stage] or {}).pop(name, None)
    found["adapt"]["rate"] = found["adapt"]["rate"] if rate is None else rate
    return found


@pytest.mark.parametrize(
    "route", [Route(randomize=Full(), adapt=DANN(weight=0.5)), Route(adapt=Teacher(threshold=0.8))]
)
def test_new_settings_are_at_their_defaults_and_others_as_they_were(route):
    assert former(route) != plain(route)
    assert completed_route(former(route)) == plain(route)
    assert migrated_route(former(route)) == former(route), "as it is reported"


def test_what_was_trained_without_averaged_weights_is_not_what_has_them_by_default():
    route = Route(adapt=DANN())
    found = former(route)
    del found["adapt"]["decay"]
    assert completed_route(found)["adapt"]["decay"] == 0
    assert difference({"route": found}, {"route": plain(route)}) == ("route.adapt.decay", 0.0, route.adapt.decay)


def test_the_method_after_a_feature_mapping_is_completed_too():
    route = Route(adapt=MSDA(then=SelfTraining(rounds=2)))
    found = plain(route)
    del found["adapt"]["then"]["ridge"]
    assert completed_route(found) == plain(route)


@pytest.mark.parametrize(
    "kept", [None, "teacher", {"adapt": {"method": "of another package", "weight": 2}}, {"adapt": {"weight": 2}}]
)
def test_what_cannot_be_completed_is_unchanged(kept):
    assert completed_route(kept) == kept


@pytest.mark.parametrize(("adapt", "rate"), [(DANN(), 1e-3), (Teacher(), 3e-3)])
def test_a_run_goes_on_whose_settings_were_written_before_some_existed(tmp_path, adapt, rate):
    route = Route(randomize=Full(), adapt=adapt)
    task = {"kind": "classify", "classes": ["a", "b"]}
    (tmp_path / SETTINGS).write_text(yaml.safe_dump({"task": task, "route": former(route, rate), "seed": 0}))
    RunFolder(tmp_path, {"task": task, "route": route.describe(), "seed": 0}, resume=True)
    other = Route(randomize=Full(), adapt=type(adapt)(rate=2e-3))
    said = rf"the run was started with route.adapt.rate {rate}, but --resume found 0.002. Give the same arguments"
    with pytest.raises(InputError, match=said):
        RunFolder(tmp_path, {"task": task, "route": other.describe(), "seed": 0}, resume=True)


def test_the_learning_rate_of_masks_that_is_not_set_is_none_of_classes():
    before, now = ({"task": {"kind": "segment"}, "route": plain(Route(adapt=DANN(rate=rate)))} for rate in (1e-3, None))
    assert difference(before, now) == ("route.adapt.rate", 1e-3, None)
    assert difference({**before, "task": {"kind": "classify"}}, {**now, "task": {"kind": "classify"}}) is None


def test_routes_of_a_comparison_are_compared_by_name():
    before = {"routes": {"one": former(Route(adapt=DANN()), 1e-3)}, "versions": {"torch": "2"}}
    assert difference(before, {"routes": {"one": plain(Route(adapt=DANN()))}}) is None
    now = {"routes": {"one": plain(Route(adapt=DANN(weight=2.0)))}}
    assert difference(before, now) == ("routes.one.adapt.weight", 1.0, 2.0)
    gone = difference(before, {"routes": {}})
    assert gone is not None
    assert (gone[0], gone[2]) == ("routes.one", None)


def test_a_stage_that_is_new_or_gone_is_named():
    with_it, without = (plain(Route(randomize=one, adapt=DANN())) for one in (Full(), None))
    found = difference({"route": with_it}, {"route": without})
    assert found is not None
    assert found[0] == "route.randomize"
    assert found[2] is None
