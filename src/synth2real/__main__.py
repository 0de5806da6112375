"""`python -m synth2real` is the command `synth2real`."""

import os
import sys

# Python puts the working folder first, so that a file in it, such as yaml.py, would run instead of an installed module.
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
    del sys.path[0]

from .cli import main

if __name__ == "__main__":  # not in the processes that a comparison starts
    main()
