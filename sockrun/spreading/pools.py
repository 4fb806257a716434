"""Where work is done: worker processes of this machine, an executor of the caller's, or a Dask cluster.

The one theory: all of them are a `concurrent.futures.Executor`, so whoever spreads work knows nothing else of them.
What differs is how many tasks they take at a time, what happens when a worker has died, and how they are told to stop.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import TYPE_CHECKING, Protocol

from sockrun.diagnostics import EnvironmentRefused
from sockrun.network import leash
from sockrun.spreading import work

if TYPE_CHECKING:
    from distributed import Client

SCHEDULER = re.compile(r"(?:tcp|tls|ucx|wss?)://\S+:[0-9]{1,5}", re.ASCII)
TIMEOUT = 10  # seconds for a scheduler to answer
START = "forkserver"  # quick after the first, and safe in a program that has threads (fork(2), 'Notes')


class Pool(Protocol):
    """Workers. `width`: how many tasks they do at the same time."""

    width: int

    @property
    def executor(self) -> Executor: ...

    def renew(self) -> None:
        """The executor has broken down: take another. Raises: EnvironmentRefused, where there is none."""
        ...

    def stop(self) -> None:
        """End soon what is being played."""
        ...

    def close(self) -> None:
        """Give everything back, whatever is being played."""
        ...


def processors() -> int:
    """How many this process may use (sched_getaffinity(2))."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Processes:
    """Worker processes of ours. They end with this one, however it ends, and with them all that they play."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._kept, self._leash = leash.pair()
        self.executor = self._made()

    def _made(self) -> Executor:
        from multiprocessing import get_context

        context = get_context(START)
        context.set_forkserver_preload([work.__name__])
        return ProcessPoolExecutor(self.width, context, work.begin, (self._leash,))

    def renew(self) -> None:
        self.executor.shutdown()
        self.executor = self._made()

    def stop(self) -> None:
        self._kept.close()

    def close(self) -> None:
        self._kept.close()
        self.executor.shutdown(cancel_futures=True)
        self._leash.close()


class Given:
    """An executor of somebody else, who also ends it."""

    def __init__(self, executor: Executor, width: int) -> None:
        self.executor = executor
        self.width = width

    def renew(self) -> None:
        raise EnvironmentRefused("the executor has broken down, so nothing more can be played")

    def stop(self) -> None:
        """What is being played comes to its end by itself."""

    def close(self) -> None: ...


class Cluster:
    """The workers of a Dask cluster, which plays a task again when its worker has died."""

    def __init__(self, address: str) -> None:
        self._client = client(address)
        self.width = sum(self._client.nthreads().values())
        self.executor = self._client.get_executor(pure=False)

    def renew(self) -> None:
        raise EnvironmentRefused("the cluster takes no more work")

    def stop(self) -> None:
        """What is being played comes to its end by itself."""

    def close(self) -> None:
        self._client.close()


def client(address: str) -> Client:
    """Of the scheduler there. Raises: EnvironmentRefused."""
    try:
        from distributed import Client
    except ImportError:
        raise EnvironmentRefused("a cluster needs Dask: `pip install 'sockrun[dask]'`") from None
    try:
        return Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise EnvironmentRefused(f"no Dask scheduler answers at {address}: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
