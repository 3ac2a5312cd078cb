"""Where the library is found, what is said where it is not, and the wheel that brings its own."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

import allocdb
from allocdb import _library

PACKAGE = ROOT / "bindings/python"
SOURCE = PACKAGE / "src"
USE = "import allocdb, sys; db = allocdb.open(sys.argv[1], max_resources=9); print(db.create(1).ok)"


def run(
    program: str,
    *arguments: str,
    path: Path = SOURCE,
    ALLOCDB_LIBRARY: str | None = None,
    LD_LIBRARY_PATH: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """A Python with this package on its path, and with other variables."""
    variables = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    for name, value in (
        ("ALLOCDB_LIBRARY", ALLOCDB_LIBRARY), ("LD_LIBRARY_PATH", LD_LIBRARY_PATH)
    ):
        variables.pop(name, None)
        if value is not None:
            variables[name] = value
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True,
        env=variables, timeout=120,
    )


def import_error(library: str | None) -> str:
    done = run("import allocdb", ALLOCDB_LIBRARY=library)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("allocdb._library.LibraryError: "), done.stderr
    return last.partition(": ")[2]


def test_without_a_library_the_places_and_the_remedy_are_named() -> None:
    said = import_error(None)
    assert "libAllocDB was not found: not at " in said and "ALLOCDB_LIBRARY is not set" in said
    assert "no libAllocDB.so.0" in said and "pip install ./bindings/python" in said


def test_a_named_library_that_is_none_is_an_error_and_is_not_passed_over(tmp_path: Path) -> None:
    assert "missing.so cannot be loaded" in import_error("/missing.so")
    text = tmp_path / "text.so"
    text.write_text("not a library")
    assert "text.so cannot be loaded" in import_error(str(text))
    assert "libc.so.6 has no function allocdb_version_number: not a libAllocDB" in import_error(
        "libc.so.6"
    )


def test_the_systems_path_is_the_last_place(tmp_path: Path) -> None:
    shutil.copy(_library.library_place, tmp_path / "libAllocDB.so.0")
    done = run(USE, str(tmp_path / "db"), LD_LIBRARY_PATH=str(tmp_path))
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize(
    ("number", "is_fit"), [(1000, True), (1999, True), (2000, True), (999, False),
                           (1_000_000, False), (7_001_002, False)],
)
def test_a_library_of_another_version_is_refused(number: int, is_fit: bool) -> None:
    if is_fit:
        _library._check_version(number, "place")
        return
    with pytest.raises(allocdb.LibraryError, match=r"place is libAllocDB .*; this package works w"):
        _library._check_version(number, "place")


def test_versions_are_shown() -> None:
    assert allocdb.library_version.count(".") == 2
    manifest = (ROOT / "Cargo.toml").read_text()
    assert f'version = "{allocdb.__version__}"' in manifest
    assert f'version = "{allocdb.__version__}"' in (PACKAGE / "pyproject.toml").read_text()


def test_everything_public_is_there_and_documented() -> None:
    for name in allocdb.__all__:
        found = getattr(allocdb, name)
        if inspect.isclass(found) or inspect.isfunction(found):
            assert found.__doc__, name
        if isinstance(found, type) and found.__module__.startswith("allocdb"):
            for key, member in vars(found).items():
                if not key.startswith("_") and (callable(member) or isinstance(member, property)):
                    assert member.__doc__, f"{name}.{key}"


def test_the_wheel_brings_its_library_and_is_found_first(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--quiet",
         "--wheel-dir", str(tmp_path), str(source)],
        capture_output=True, text=True, timeout=300,
        env={**os.environ, "ALLOCDB_LIBRARY": _library.library_place},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name.startswith(f"allocdb-{allocdb.__version__}-py3-none-linux_")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    names = {path.name for path in (installed / "allocdb").iterdir()}
    assert {"libAllocDB.so", "py.typed", "__init__.py"} <= names
    assert not list((source / "src" / "allocdb").glob("*.so")), "the source is left alone"
    program = USE + "; print(allocdb._library.library_place)"
    done = run(program, str(tmp_path / "db"), path=installed, ALLOCDB_LIBRARY="/missing.so")
    assert done.stdout.splitlines() == ["True", str(installed / "allocdb" / "libAllocDB.so")]
