"""`python -m synth2real.cli`."""

from . import main

if __name__ == "__main__":  # not in the processes that a comparison starts
    main()
