"""What a process of ours asks of the kernel and of the interpreter: much work, rather than quick turns."""

import contextlib
import gc
import os


def run_in_batches() -> None:
    """Before any thread is started: none of this process's threads takes the processor from another when it wakes.

    grpc and motor wake a thread for each step of a call. Linux would let every one interrupt whoever runs; measured, a
    tenth of the reads that a busy machine answers. See sched(7), SCHED_BATCH; elsewhere nothing changes.
    """
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def keep_what_is_loaded() -> None:
    """Once everything is loaded. The collector would walk it again and again, for what a call makes dies at once."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
