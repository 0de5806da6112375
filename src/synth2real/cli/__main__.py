"""`python -m synth2real.cli`."""

from . import main

main()
