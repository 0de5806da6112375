"""From rendered digits to real handwriting in twenty lines: one route, and what it gains over source only.

python examples/digits.py
"""

from synth2real import Budget, Route
from synth2real.adapt import Teacher
from synth2real.calibrate import Posterior
from synth2real.datasets import handwriting
from synth2real.randomize import Geometric
from synth2real.simulate import Digits

target, test = handwriting()  # real digits: two thirds without labels, a third with labels to score on
simulator = Digits(size=(8, 8))
routes = {
    "source only": Route(),
    "calibrated + randomized + teacher": Route(calibrate=Posterior(), randomize=Geometric(), adapt=Teacher()),
}
for name, route in routes.items():
    run = route.run(simulator, target, budget=Budget(steps=600, n=4000))
    accuracy = run.model.evaluate(test)["accuracy"]
    print(f"{name}: {accuracy:.3f} on real digits, {sum(run.seconds.values()):.0f} s")
