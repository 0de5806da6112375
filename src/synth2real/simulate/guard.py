"""Runs a program, and ends it when the process that asked for it ends, even if that process was killed.

This file is run as a script of its own: `python guard.py FOLDER COMMAND...`. Its standard input is a pipe that only the
asking process holds open. When the pipe closes, the program and all that it has started are killed, and FOLDER is
deleted, unless `KEEP` came through the pipe before.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading

NOT_STARTED = 127  # exit code, as in a shell; the reason is the only output
KEEP = b"k"  # keeps the folder


def main(folder: str, *command: str) -> int:
    """Run the command. Returns its exit code; for a program that a signal has ended, 128 and the signal."""
    try:
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(error.strerror)
        return NOT_STARTED
    ending = threading.Event()
    watcher = threading.Thread(target=end_with_parent, args=(program, folder, ending), daemon=True)
    watcher.start()
    code = program.wait()
    if ending.is_set():
        watcher.join()  # it ends this process when the folder is deleted
    return code if code >= 0 else 128 - code


def end_with_parent(program: "subprocess.Popen[bytes]", folder: str, ending: threading.Event) -> None:
    """Wait until the pipe closes. Reading blocks, so this costs no time."""
    kept = os.read(sys.stdin.fileno(), len(KEEP))
    ending.set()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    if kept != KEEP:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
