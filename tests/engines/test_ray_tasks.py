"""Ray: the cluster that is joined or begun, and what is said where that is not possible."""

import sys

import pytest

from engines.struck import end, refuse
from skips import optional
from synth2real.engines import engine
from synth2real.engines.base import Engine
from synth2real.errors import InputError


def test_ray_that_is_not_installed_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"--engine ray needs Ray, .* pip install 'synth2real\[ray\]'"):
        engine("ray", 2)


@pytest.fixture(scope="module")
def ray_engine(tests_for_ray: None):
    with engine("ray", 1) as made:
        yield made


def test_errors_and_warnings_arrive_as_they_were_raised(ray_engine: Engine) -> None:
    with pytest.warns(UserWarning, match="about 2"):
        assert list(ray_engine.map(refuse, [2])) == [2]
    with pytest.warns(UserWarning, match="about"), pytest.raises(InputError, match=r"^3 is refused$"):
        list(ray_engine.map(refuse, [3]))


def test_a_running_ray_is_joined_and_goes_on(ray_engine: Engine) -> None:
    ray = optional("ray", "ray")
    with engine("ray", 1) as second:
        assert list(second.map(str, range(3))) == ["0", "1", "2"]
    assert ray.is_initialized()


def test_a_part_that_no_machine_can_take_is_refused_and_not_waited_for(ray_engine: Engine) -> None:
    with pytest.raises(InputError, match=r"needs 64 CPUs and 0 GPUs, but .* have: 1 CPUs, 0 GPUs. Set OMP_NUM_THREADS"):
        engine("ray", 1, threads=64)
    with pytest.raises(InputError, match=r"needs 1 CPUs and 1 GPUs"):
        engine("ray", 1, gpus=1)


@pytest.mark.slow
def test_a_part_that_kills_its_workers_is_named(ray_engine: Engine) -> None:
    with pytest.raises(
        InputError, match=r"^7: the process that worked on it was killed 3 times \(the last as Ray says"
    ):
        list(ray_engine.map(end, [7]))


def test_a_cluster_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    optional("ray", "ray").shutdown()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(InputError, match=r"the cluster at RAY_ADDRESS=127.0.0.1:9 does not answer \(.*refused"):
        engine("ray", 2)
