"""Workers that each do one long task: what they say meanwhile, and what came of it.

Lives here: worker processes of this machine, and those of a Dask cluster. Must not live here: what is done
(`loadtest/shares.py`).

The one theory: a task that has begun is never given to another, since what it did to the world cannot be taken back. So
each worker has an executor, or an address, of its own: one that dies takes nobody else's work with it, and what it said
last is what is known of it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread
from typing import Any, Protocol, TypeAlias

from sockrun.diagnostics import EnvironmentRefused
from sockrun.network import leash
from sockrun.network.interrupts import Wakeable
from sockrun.reporters.base import write_whole
from sockrun.session import Interrupts
from sockrun.spreading import work
from sockrun.spreading.pools import Processes, client

Say: TypeAlias = Callable[[bytes], None]
Call: TypeAlias = Callable[[Any, Say, Interrupts], Any]  # a task; what it says is kept until it says something else


class Crew(Protocol):
    """`width`: how many they are. `lead`: seconds that it may take until all of them have begun."""

    width: int
    lead: float

    def begin(self, call: Call, tasks: Sequence[object]) -> None:
        """Give each a task; there may be fewer than workers."""
        ...

    def said(self) -> dict[int, bytes]:
        """What each said last, by its number."""
        ...

    def ended(self) -> dict[int, Any]:
        """What came of those that have ended, by their numbers; None of one that died. Raises: what a task raised."""
        ...

    def stop(self) -> None:
        """End in order what is being done."""
        ...

    def close(self) -> None:
        """Give everything back, whatever is being done."""
        ...


# --- processes of this machine -----------------------------------------------------------------


class Household:
    lead = 1.5

    def __init__(self, width: int) -> None:
        self.width = width
        self._folder = tempfile.mkdtemp(prefix="sockrun-")
        self._pools = [Processes(1) for _ in range(width)]
        self._futures: list[Future[Any]] = []

    def begin(self, call: Call, tasks: Sequence[object]) -> None:
        for number, (pool, task) in enumerate(zip(self._pools, tasks, strict=False)):
            self._futures.append(pool.executor.submit(_beside, call, task, self._path(number)))

    def _path(self, number: int) -> str:
        return os.path.join(self._folder, str(number))

    def said(self) -> dict[int, bytes]:
        found = {}
        for number in range(self.width):
            with suppress(FileNotFoundError), open(self._path(number), "rb") as file:
                found[number] = file.read()
        return found

    def ended(self) -> dict[int, Any]:
        return {number: _result(future) for number, future in enumerate(self._futures) if future.done()}

    def stop(self) -> None:
        for pool in self._pools:
            pool.stop()

    def close(self) -> None:
        for pool in self._pools:
            pool.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _result(future: Future[Any]) -> Any:
    try:
        return future.result()
    except (BrokenExecutor, CancelledError):
        return None


def _beside(call: Call, task: object, path: str) -> Any:
    """In the worker: what it says is a file, since a worker that dies must not hold a lock that others wait for."""
    return call(task, partial(write_whole, path), work.interrupts())


# --- a Dask cluster ----------------------------------------------------------------------------


class Cluster:
    lead = 3.0

    def __init__(self, address: str) -> None:
        self._client = client(address)
        self._workers = sorted(self._client.nthreads())
        if not self._workers:
            self._client.close()
            raise EnvironmentRefused(f"the cluster at {address} has no worker")
        self.width = len(self._workers)
        self._topic = f"sockrun-{os.urandom(8).hex()}"
        self._said: dict[int, bytes] = {}
        self._futures: list[Any] = []
        self._client.subscribe_topic(self._topic, self._hear)

    def begin(self, call: Call, tasks: Sequence[object]) -> None:
        for number, (worker, task) in enumerate(zip(self._workers, tasks, strict=False)):
            one = self._client.submit(
                _over_there, call, task, self._topic, number, workers=[worker], allow_other_workers=False, pure=False
            )
            self._futures.append(one)

    def _hear(self, event: tuple[float, Any]) -> None:
        number, data = event[1]
        self._said[number] = data

    def said(self) -> dict[int, bytes]:
        return dict(self._said)

    def ended(self) -> dict[int, Any]:
        """Raises: EnvironmentRefused, where the scheduler is gone."""
        try:
            alive = self._client.nthreads()
        except OSError as error:
            raise EnvironmentRefused(f"the cluster's scheduler is gone: {error}") from None
        found: dict[int, Any] = {}
        for number, (worker, future) in enumerate(zip(self._workers, self._futures, strict=False)):
            if future.done():
                found[number] = _come_to(future)
            elif worker not in alive:
                found[number] = None
        return found

    def stop(self) -> None:
        from distributed import Event

        Event(self._topic, client=self._client).set()

    def close(self) -> None:
        with suppress(Exception):  # a scheduler that is gone needs not be told
            if len(self.ended()) < len(self._futures):
                self.stop()
            self._client.unsubscribe_topic(self._topic)
            self._client.cancel(self._futures, force=True)
        self._client.close()


def _come_to(future: Any) -> Any:
    """Raises: what the task raised; a worker that died has raised nothing."""
    from distributed import KilledWorker

    try:
        return future.result()
    except (KilledWorker, CancelledError):
        return None


def _over_there(call: Call, task: object, topic: str, number: int) -> Any:
    """In the worker: what it says is an event of the cluster's."""
    from distributed import get_worker

    worker = get_worker()
    return call(task, lambda data: worker.log_event(topic, [number, data]), partial(_until, topic))


@contextmanager
def _until(topic: str, network: Wakeable, stop: Callable[[], None]) -> Iterator[None]:
    """`stop` is called, from the loop, once the starter wants it or is gone. A thread waits: the loop must not."""
    from distributed import Event, get_client, get_worker

    kept, held = leash.pair()
    event = Event(topic, client=get_client())
    tasks, key = get_worker().state.tasks, get_worker().get_current_task()
    over = False

    def unwanted() -> bool:
        """Whether nobody waits for the result any more."""
        task = tasks.get(key)
        return task is None or task.state == "cancelled"

    def wait() -> None:
        with suppress(OSError), kept:  # where the scheduler is gone, nobody will ask for the result either
            while not over and not event.wait(timeout=1) and not unwanted():
                pass

    thread = Thread(target=wait, daemon=True)
    thread.start()
    try:
        with held, leash.interrupts(held, network, stop):
            yield
    finally:
        over = True
        thread.join()
