"""What all tests and all doctests share: a fresh directory, and the sum as the last line."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import allocdb


@pytest.fixture(autouse=True)
def _doctest_names(request: pytest.FixtureRequest) -> Iterator[None]:
    """In a doctest ``allocdb`` and ``scratch_directory()`` are there."""
    if type(request.node).__name__ != "DoctestItem":
        yield
        return
    namespace: dict[str, Any] = request.getfixturevalue("doctest_namespace")
    root: Path = request.getfixturevalue("tmp_path")
    numbers = itertools.count()
    namespace["allocdb"] = allocdb
    namespace["scratch_directory"] = lambda: str(root / f"database-{next(numbers)}")
    yield


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """The last line is the sum, in the words that ``scripts/test.sh`` counts."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    passed = len(reporter.stats.get("passed", ()))
    failed = len(reporter.stats.get("failed", ())) + len(reporter.stats.get("error", ()))
    print(f"{passed} passed, {failed} failed")
