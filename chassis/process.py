"""What a process of ours asks of the kernel and of the interpreter: much work, rather than quick turns."""

import contextlib
import gc
import os

# gRPC's newer engine hands each step of a call from thread to thread; its older poller does not, and answers an eighth
# more calls on two cores. These are names of grpcio 1.85; one that it does not know would be a line on stderr.
_GRPC = ("event_engine_listener", "event_engine_client", "event_engine_for_all_other_endpoints", "event_engine_fork")


def prepare() -> None:
    """Before grpc is imported."""
    os.environ.setdefault("GRPC_EXPERIMENTS", ",".join(f"-{name}" for name in _GRPC))
    run_in_batches()


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
