"""Puts libAllocDB.so into the wheel, built by cargo from the tree that this directory stands in.

Everything else is in pyproject.toml. The library is named by ALLOCDB_LIBRARY where that is set (a
build that has it already), else cargo builds it: ``cargo build --release`` of the crate
allocdb-ffi, in CARGO_TARGET_DIR or the tree's own target/. The wheel's tag names no Python version,
since ctypes needs none, and this platform, since the library is of it. Rejected: an extension
module, which would need a wheel for each version of Python.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
TREE = HERE.parents[1]
LIBRARY = "libAllocDB.so"


def library() -> Path:
    """The library to put into the wheel."""
    named = os.environ.get("ALLOCDB_LIBRARY")
    if named:
        return Path(named).resolve(strict=True)
    if not (TREE / "Cargo.toml").is_file():
        sys.exit(
            "allocdb: build it inside AllocDB's source tree (pip install ./bindings/python), or "
            "set ALLOCDB_LIBRARY to a libAllocDB.so"
        )
    if shutil.which("cargo") is None:
        sys.exit("allocdb: cargo was not found: install Rust 1.88 or newer, or set ALLOCDB_LIBRARY")
    command = ["cargo", "build", "--release", "--locked", "-p", "allocdb-ffi", "--lib"]
    subprocess.run(command, cwd=TREE, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR") or "target")
    return TREE / target / "release" / LIBRARY


class BuildWithLibrary(build_py):
    """Copies the library beside the modules, into the build directory and never into the source."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        to = Path(self.build_lib) / "allocdb" / LIBRARY
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(library(), to)

    def get_outputs(self, include_bytecode: bool = True) -> list:
        outputs: list = super().get_outputs(include_bytecode)
        return [*outputs, str(Path(self.build_lib) / "allocdb" / LIBRARY)]


class WheelOfThisPlatform(bdist_wheel):
    """Any Python 3, no ABI of Python's, this platform."""

    def get_tag(self) -> tuple:
        _, _, platform = super().get_tag()
        return "py3", "none", platform


class WithLibrary(Distribution):
    """Not a pure one: it holds a library of this platform."""

    def has_ext_modules(self) -> bool:
        return True


setup(
    distclass=WithLibrary,
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": WheelOfThisPlatform},
)
