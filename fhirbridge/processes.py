"""Child processes that end with their parent, even when the parent is killed."""

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 1.0


def end_with_parent(parent_pid: int, signal_number: int = signal.SIGTERM) -> None:
    """Ask the kernel to send this process a signal when its parent dies.

    Where the kernel cannot (other systems than Linux), a thread watches the parent instead.
    Ends the process at once if the parent is gone already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal_number)
        if os.getppid() != parent_pid:
            os.kill(os.getpid(), signal_number)
        return
    watcher = threading.Thread(
        target=_watch, args=(parent_pid, signal_number), name="parent-watcher", daemon=True
    )
    watcher.start()


def _watch(parent_pid: int, signal_number: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(_POLL_SECONDS)
    os.kill(os.getpid(), signal_number)
