"""What the tests on Ray start from."""

import os
from pathlib import Path

import pytest

from skips import optional


@pytest.fixture(scope="module")
def tests_for_ray():
    """Let Ray, if there is one, find the helpers of the tests, and begin a Ray of its own."""
    optional("ray", "ray")
    paths = (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", ""))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))  # Ray searches the folders of the script and the command
        yield
