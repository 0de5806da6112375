"""An example of a package with plugins for synth2real; `pyproject.toml` registers what is in its modules."""
