"""The small model that `widen automatic` trains learns masks, too."""

from discs import Strokes
from synth2real import Budget, Route
from synth2real.route.source_learner import SourceLearner
from synth2real.tasks import Segmentation


def test_the_performance_of_masks_is_their_mean_iou():
    simulator = Strokes(size=(32, 32))
    task = Segmentation.of(simulator.labelled(4, 0))
    learner = SourceLearner(task, images=48, steps=12, batch=8)
    learner.learn(simulator, 0)
    first = learner.performance(simulator, 24, 1)
    data = simulator.labelled(24, 1)
    assert first == learner.model.evaluate(data)["mean_iou"]
    learner.learn(simulator, 2)
    assert 0 <= first < learner.performance(simulator, 24, 1) <= 1


def test_batches_are_of_the_size_that_the_training_takes():
    simulator, sizes = Strokes(size=(32, 32)), []
    task = Segmentation.of(simulator.labelled(4, 0))

    def widen(simulator, learner):
        sizes.append(learner.batch)
        return simulator

    for budget in (None, Budget(batch=5)):
        Route(widen=widen).simulator(simulator, simulator.labelled(4, 0).unlabelled(), task, budget)
    assert sizes == [Budget().size_of_batch(task), 5] == [16, 5]
