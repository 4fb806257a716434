"""Switches that every test may ask for."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.command_line import CommandLine
from tests.playing import simulated

pytest_plugins = ["pytester"]

# A shell without job control has what runs in its background ignore Ctrl-C, and all that it starts (signal(7)): tests
# that interrupt a command would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("untimed", deadline=None)  # how long an example takes says nothing on a busy machine
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the texts that golden tests find, instead of comparing them",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "played_on" in metafunc.fixturenames:
        real = next(metafunc.definition.iter_markers("real_sockets"), None)
        assert real is None or real.args, "say why it is for real sockets only"
        kinds = ["kernel"] if real else ["kernel", "simulated"]
        metafunc.parametrize("played_on", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module")
def played_on(request: pytest.FixtureRequest) -> Iterator[str]:
    """What the scenarios of a test are played on: 'kernel' or 'simulated'. See `playing.both_networks`."""
    before = simulated.set(request.param == "simulated")
    yield request.param
    simulated.reset(before)


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def sockrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line in an empty folder."""
    return CommandLine(tmp_path, monkeypatch, capsys)
