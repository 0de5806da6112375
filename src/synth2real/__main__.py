"""`python -m synth2real` is the command `synth2real`."""

from .cli import main

if __name__ == "__main__":  # not in the processes that a comparison starts
    main()
