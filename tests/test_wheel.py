"""What is shipped works: the wheel, installed where the source tree cannot be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.command_line import FAILS, PASSES

TOP = Path(__file__).parent.parent


def python(*words: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """This interpreter, its warnings errors, with nothing of ours to import but what lies in `path`."""
    environment = {"PYTHONPATH": "" if path is None else str(path), "PATH": "/usr/bin:/bin", "HOME": str(cwd)}
    command = [sys.executable, "-P", "-W", "error", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as a release is, but with what is installed already, so that no network is needed."""
    out = tmp_path_factory.mktemp("dist")
    words = ["-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    built = subprocess.run([sys.executable, *words], cwd=TOP, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel was unpacked into."""
    target = tmp_path_factory.mktemp("site")
    words = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--no-index"]
    done = subprocess.run(
        [sys.executable, *words, "--target", str(target), str(wheel)], capture_output=True, text=True, cwd=target
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(PASSES.format(name="good", tag="smoke"))
    (tmp_path / "bad.yaml").write_text(FAILS)
    return tmp_path


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    """Every module, the templates, the page, the schema and the mark that it is typed; no test, no cache."""
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    others = [("templates", "*.yaml"), ("reporters/page", "page.*"), ("loadtest", "page.html")]
    found = [*(TOP / "sockrun").rglob("*.py")]
    found += [path for folder, pattern in others for path in (TOP / "sockrun" / folder).glob(pattern)]
    sources = {str(path.relative_to(TOP)) for path in found}
    assert names == sources | {"sockrun/py.typed", "sockrun/scenario.schema.json"}


def test_the_installed_package_is_the_one_that_runs(installed: Path, folder: Path) -> None:
    shown = python("-c", "import sockrun; print(sockrun.__file__)", cwd=folder, path=installed)
    assert Path(shown.stdout.strip()).is_relative_to(installed), shown.stderr


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--version"], 0, "sockrun "),
        (["validate"], 2, "2 files, 1 error"),
        (["validate", "--no-pair"], 0, "2 files, no errors"),
        (["list"], 0, "good.yaml"),
        (["new", "udp"], 0, "wrote udp.yaml"),
        (["show", "good.yaml"], 0, "server: tcp server"),
        (["run", "good.yaml"], 0, "1 passed"),
        (["run", "--junit", "report.xml", "--html", "report.html"], 1, "1 passed, 1 failed"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_the_installed_commands_work(installed: Path, folder: Path, words: list[str], status: int, told: str) -> None:
    done = python("-m", "sockrun", *words, cwd=folder, path=installed)
    assert (done.returncode, done.stderr) == (status, "")
    assert told in done.stdout


def test_the_installed_schema_is_that_of_the_source(installed: Path, folder: Path) -> None:
    shown = python("-m", "sockrun", "schema", cwd=folder, path=installed)
    assert json.loads(shown.stdout) == json.loads((TOP / "schema" / "scenario.schema.json").read_text("utf-8"))


def test_the_command_is_installed(installed: Path, folder: Path) -> None:
    """The program `sockrun` itself, as pip has written it."""
    done = python(str(installed / "bin" / "sockrun"), "--version", cwd=folder, path=installed)
    assert done.stdout.startswith("sockrun "), done.stderr


def test_pytest_finds_the_installed_plugin(installed: Path, folder: Path) -> None:
    """By its entry point; nothing has to be said."""
    (folder / "good.yaml").rename(folder / "good.sock.yaml")
    done = python("-m", "pytest", "-p", "no:cacheprovider", "-v", cwd=folder, path=installed)
    assert "good.sock.yaml::scenario PASSED" in done.stdout, done.stderr
    assert done.returncode == 0
