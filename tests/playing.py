"""Play scenarios in a test, in this process: on real sockets, or on simulated ones where the test says so.

A module that says `pytestmark = both_networks` has each of its tests run on both, so that they cannot drift apart; one
that cannot be simulated says `@real_sockets(REASON)`.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import NoReturn

import pytest

from sockrun.compiling.loading import Options, load, load_text
from sockrun.network.guard import Guard
from sockrun.network.kernel import READ_SIZE, Kernel
from sockrun.playing.requirements import unmet
from sockrun.playing.runner import Runner
from sockrun.playing.simulation import Simulation
from sockrun.program import Program
from sockrun.results import Result

ALL_PROGRAMS = "SOCKRUN_ALL_PROGRAMS"  # set where every program is installed that a test may need: .ci/run does

both_networks = pytest.mark.usefixtures("played_on")  # the fixture is in conftest.py
real_sockets = pytest.mark.real_sockets
simulated: ContextVar[bool] = ContextVar("simulated", default=False)
SCENARIOS = Path(__file__).parent.parent / "scenarios"


def lacking(what: str) -> NoReturn:
    """Skip a test that this machine cannot play, for this reason; fail it where nothing may be lacking."""
    if ALL_PROGRAMS in os.environ:
        pytest.fail(what)
    pytest.skip(what)


def hold_that_nothing_is_lacking(given: Iterable[Program]) -> None:
    """Of all that these programs `require`."""
    for program in given:
        if why := unmet(program):
            lacking(why)


def programs(text: str, options: Options | None = None) -> tuple[Program, ...]:
    """The programs of a scenario's text, which must be valid."""
    loaded = load_text(textwrap.dedent(text), "test.yaml", options)
    assert not [d for d in loaded.diagnostics if d.severity == "error"], loaded.diagnostics
    return loaded.programs


def play_all(
    given: Iterable[Program], *, read_size: int = READ_SIZE, parallel: int = 64, guard: Guard | None = None
) -> list[Result]:
    """Play programs at the same time, and hold that nothing is left in the selector."""
    if simulated.get():
        return [_simulate(program, read_size) for program in given]
    network = Kernel(read_size, guard)
    try:
        results = list(Runner(network, parallel=parallel).run(given))
        assert not network.selector.get_map(), "sockets are left in the selector"
        assert not network.unpaired, "streams are left"
        assert not network.datagrams, "datagram sockets are left"
    finally:
        network.close()
    return results


def _simulate(program: Program, read_size: int) -> Result:
    simulation = Simulation(program)
    simulation.network.read_size = read_size
    result = simulation.run()
    assert not simulation.network.unpaired, "streams are left"
    assert not simulation.network.datagrams, "datagram sockets are left"
    assert not simulation.world.in_use, "addresses are left"
    return result


def play(
    text: str, *, read_size: int = READ_SIZE, options: Options | None = None, guard: Guard | None = None
) -> Result:
    """Play one scenario given as text."""
    (result,) = play_all(programs(text, options), read_size=read_size, guard=guard)
    return result


def on_a_free_port(text: str) -> str:
    """A scenario's text with a free port for the fixed one of the seed examples, so that tests may run side by side."""
    return text.replace("port: 12321", "port: ${ports.free}") + ("ports: [free]\n" if "port: 12321" in text else "")


def example(name: str) -> tuple[Program, ...]:
    """The programs of an example."""
    loaded = load(SCENARIOS / f"{name}.yaml")
    assert not loaded.diagnostics, loaded.diagnostics
    return loaded.programs
