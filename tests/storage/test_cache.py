"""The cache folder: that of the environment variable, or of the platform."""

from synth2real.storage import cache_folder


def test_the_cache_is_the_platforms_own(monkeypatch, tmp_path):
    monkeypatch.delenv("SYNTH2REAL_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path / "synth2real"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder().parts[-3:] == ("Library", "Caches", "synth2real")
    monkeypatch.setenv("SYNTH2REAL_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
