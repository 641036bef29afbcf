"""What is installed is what was meant: the wheel holds the three packages whole, and their boundaries."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.boundaries.tree import PACKAGES, ROOT, files, program


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a release is, with the build system that is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    command: list[str | Path] = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert built.returncode == 0, built.stdout + built.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture
def unpacked(wheel: Path, tmp_path: Path) -> Path:
    """The wheel as it lies on the disk of whoever installs it."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def test_the_wheel_holds_every_file_of_the_three_packages_and_no_other(unpacked: Path) -> None:
    wanted = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in PACKAGES.items()
        for path in files(folder)
    }

    held = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    about = {path for path in held if path.partition("/")[0].endswith(".dist-info")}

    assert held - about == wanted
    assert any(path.endswith("/licenses/LICENSE") for path in about)
    assert {f"{package}/py.typed" for package in PACKAGES} <= held
    assert any(path.startswith("syncd/store/migrations/versions/") for path in held)


def test_the_boundaries_hold_in_the_wheel(unpacked: Path) -> None:
    kept, said = _contracts_hold(unpacked)

    assert kept, said


@pytest.mark.parametrize(
    ("package", "line", "found"),
    [
        ("syncd_connectors", "import syncd.store.tables", "syncd_connectors.crossing -> syncd.store.tables"),
        ("syncd_connectors", "import syncd_rules", "syncd_connectors.crossing -> syncd_rules"),
        ("syncd_rules", "import random", "syncd_rules.crossing -> random"),
        ("syncd_rules", "import syncd.contract", "syncd_rules.crossing -> syncd.contract"),
        ("syncd/store", "import syncd.flow", "syncd.store.crossing -> syncd.flow"),
        ("syncd/store", "import syncd_connectors.crossing", "syncd.store.crossing -> syncd_connectors.crossing"),
        ("syncd/http", "import syncd_rules", "syncd.http.crossing -> syncd_rules"),
        ("syncd/web", "import tests", "syncd.web.crossing -> tests"),
        ("syncd/strange", "import sys", "syncd.strange"),
    ],
)
def test_a_boundary_that_is_crossed_is_found(unpacked: Path, package: str, line: str, found: str) -> None:
    (unpacked / "syncd_connectors" / "crossing.py").touch()
    folder = unpacked / package
    if not folder.is_dir():  # a module becomes a package, a new one appears
        (unpacked / f"{package}.py").unlink(missing_ok=True)
        folder.mkdir()
        (folder / "__init__.py").touch()
    (folder / "crossing.py").write_text(f"{line}\n")

    kept, said = _contracts_hold(unpacked)

    assert not kept
    assert found in said


def _contracts_hold(folder: Path) -> tuple[bool, str]:
    command: list[str | Path] = [program("lint-imports"), "--config", ROOT / "pyproject.toml", "--no-cache"]
    linted = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    return linted.returncode == 0, linted.stdout + linted.stderr
