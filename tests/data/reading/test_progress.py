"""Whoever listens hears how far the reading of a folder is."""

from synth2real import load_unlabelled
from synth2real.data.reading.progress import counted, told


def test_a_listener_hears_of_every_image(photos):
    heard = []
    with told(lambda *said: heard.append(said)):
        load_unlabelled(photos)
    assert heard == [(photos, done, 40) for done in range(41)]


def test_without_a_listener_nothing_is_said(photos):
    heard = []
    with told(lambda *said: heard.append(said)):
        pass
    assert list(counted("ab", photos, 2)) == ["a", "b"]
    assert heard == []
