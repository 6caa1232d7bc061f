"""The workers of a Dask cluster, where `processes.worker_pool` else has processes of this machine. Needs the extra `voxcli[cluster]`.

A worker runs in the folder of the command, which all machines have at the same path, and takes one task at a time.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import urlsplit

from voxcli.errors import UsageError
from voxcli.processes import signals_held_back
from voxcli.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Worker, WorkerPlugin

T = TypeVar("T")
P = ParamSpec("P")

LOCAL = "local"
"""In place of an address: a cluster of this machine, for as long as the command runs."""
CONNECTING = 5.0
"""Seconds after which a scheduler counts as unreachable."""
WAITING = 30.0
"""Seconds in which the first worker must come."""


class ClusterPool:
    """An executor of a cluster's workers (see `processes.WorkerPool`). setup: what `_in_worker` makes of each worker first."""

    remote = True

    def __init__(self, client: Client, setup: bytes):
        self._executor, self._setup = client.get_executor(pure=False), setup
        self.size = sum(client.nthreads().values())

    def submit(self, function: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> Future[T]:
        """Hand out a task. It is done again where its worker dies."""
        future: Future[T] = self._executor.submit(_in_worker, self._setup, function, *args, **named)
        return future

    def shutdown(self, wait: bool) -> None:
        """End the pool; without wait, what has not begun is forgotten."""
        self._executor.shutdown(wait=wait)


def check_scheduler(address: str) -> None:
    """Raise UsageError for what is no address of a scheduler."""
    with suppress(ValueError):
        parts = urlsplit(address)
        if address == LOCAL or (parts.scheme in ("tcp", "tls") and parts.hostname and parts.port):
            return
    raise UsageError("--scheduler takes the address of a Dask scheduler.", expected="tcp://HOST:8786, or local", actual=address)


@contextmanager
def cluster_pool(address: str, workers: int, initializer: Callable[[], None] | None) -> Iterator[ClusterPool]:
    """The workers of a cluster, set up as `processes.worker_pool` says.

    workers: of a cluster of this machine (LOCAL); 1: one for each core. Raises UsageError where the package is missing, no scheduler
    answers, or a worker lacks voxcli or the folder of the command.
    """
    with _connected(address, workers) as client:
        setup = pickle.dumps((__version__, os.getcwd(), pickle.dumps(initializer)))
        _wait_for_workers(client, address)
        for error in client.run(_check_worker, setup, on_error="return").values():
            if isinstance(error, ModuleNotFoundError) and error.name == "voxcli":
                raise UsageError("A worker of the cluster has no voxcli.", hint=f"Install version {__version__} on every machine.")
            if isinstance(error, UsageError):
                raise error
        pool, done = ClusterPool(client, setup), False
        try:
            yield pool
            done = True
        finally:
            pool.shutdown(wait=done)


@contextmanager
def _connected(address: str, workers: int) -> Iterator[Client]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise UsageError("--scheduler needs the package distributed.", hint="Install it: pip install 'voxcli[cluster]'.") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # workers that come and go are none of a command's words
    if address == LOCAL:
        count = workers if workers > 1 else os.cpu_count() or 1
        with signals_held_back():
            cluster = LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address="127.0.0.1:0",
                                   silence_logs=logging.CRITICAL)  # fmt: skip
        with cluster, Client(cluster) as client:
            client.register_plugin(_interrupts_left_to_parent())
            yield client
        return
    try:
        client = Client(address, timeout=CONNECTING)
    except (OSError, TimeoutError) as error:
        raise UsageError(f"No scheduler answers at {address}.", hint="Start one: dask scheduler --port 8786, and dask worker.") from error
    with client:
        yield client


def _interrupts_left_to_parent() -> WorkerPlugin:
    from distributed import WorkerPlugin

    class Deaf(WorkerPlugin):
        """A worker of this machine, which a Ctrl-C in the terminal reaches too, leaves it to the command."""

        def setup(self, worker: Worker) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Deaf()


def _wait_for_workers(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WAITING)
    except TimeoutError as error:
        raise UsageError(f"The scheduler at {address} has no workers.", hint=f"Start some: dask worker {address} --nthreads 1.") from error


_one_at_a_time = threading.Lock()
_ready: bytes | None = None


def _check_worker(setup: bytes) -> None:
    """Raise UsageError where this process cannot be a worker of the command that `setup` is of."""
    version, folder, _ = pickle.loads(setup)
    if version != __version__:
        raise UsageError("A worker of the cluster has another version of voxcli.", expected=version, actual=__version__)
    if not os.path.isdir(folder):
        raise UsageError("A worker of the cluster does not see the folder that the command runs in.", expected=folder,
                         hint="Files lie on storage that all machines mount at the same path.")  # fmt: skip


def _set_up(setup: bytes) -> None:
    """Make this process a worker of the command, unless it is one."""
    global _ready
    if setup == _ready:
        return
    from distributed import get_worker

    _check_worker(setup)
    os.environ.setdefault("OMP_NUM_THREADS", str(get_worker().state.nthreads))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    initializer = pickle.loads(pickle.loads(setup)[2])
    if initializer is not None:
        initializer()
    _ready = setup


def _in_worker(setup: bytes, function: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Do a task in the folder of its command."""
    with _one_at_a_time:
        before = os.getcwd()
        _set_up(setup)
        os.chdir(pickle.loads(setup)[1])
        try:
            return function(*args, **named)
        finally:
            os.chdir(before)
