"""The pytest plugin (entry point `pytest11`): what pytest asks of it, and nothing more.

Must not live here: files and items (`collecting.py`), what the fixture does (`fixture.py`).

The one theory: every pytest run on the machine loads this module, and few have a scenario. So what sockrun is made of
is imported when there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sockrun.testing.collecting import ScenarioFile
    from sockrun.testing.fixture import Sockrun

FOLDERS = "sockrun_paths"
ENDINGS = (".sock.yaml", ".sock.yml")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(FOLDERS, "folders in which every .yaml file is a sockrun scenario", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Where no path was named, the folders are collected too, beside `testpaths`."""
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        return
    here = config.invocation_params.dir
    for folder in config.getini(FOLDERS):
        if not any(folder.is_relative_to(here / named) for named in config.args):
            config.args.append(str(folder))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    if file_path.suffix not in (".yaml", ".yml"):
        return None
    folders = parent.config.getini(FOLDERS)
    if not file_path.name.endswith(ENDINGS) and not any(map(file_path.is_relative_to, folders)):
        return None
    from sockrun.testing.collecting import ScenarioFile

    return ScenarioFile.from_parent(parent, path=file_path)


@pytest.fixture
def sockrun(request: pytest.FixtureRequest) -> Iterator[Sockrun]:
    """Plays scenarios, or single roles of one beside the test's own code; paths are relative to the test's file."""
    from sockrun.testing.fixture import Sockrun

    with closing(Sockrun(request.path.parent, request.node.name)) as player:
        yield player
