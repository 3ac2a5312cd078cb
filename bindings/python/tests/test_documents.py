"""The README is typed as it stands; examples and the benchmark run."""

from __future__ import annotations

import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "bindings/python"


def test_a_newcomer_who_types_the_readme_sees_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (PACKAGE / "README.md").read_text()
    assert len(re.findall(r"^```python$", text, re.MULTILINE)) >= 8
    test = doctest.DocTestParser().get_doctest(text, {}, "README.md", None, 0)
    assert len(test.examples) > 25
    said: list[str] = []
    result = doctest.DocTestRunner().run(test, out=said.append)
    assert result.failed == 0, "".join(said)
    assert (tmp_path / "venue").is_dir()


def test_commands_of_the_readme_name_files_that_are_there() -> None:
    text = (PACKAGE / "README.md").read_text()
    for name in re.findall(r"bindings/python[\w/.-]*", text):
        assert (ROOT / name).exists(), name
    assert (ROOT / "scripts/stage.sh").exists()


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=300, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_lease_example_counts_its_jobs(tmp_path: Path) -> None:
    said = run(str(PACKAGE / "examples/gpu_lease.py"), str(tmp_path)).splitlines()
    assert said[0].startswith("told: the lease of gpu_0 (token ")
    assert said[-1] == "31 jobs done, 1 late order refused, nothing left held"


def test_the_benchmark_prints_its_figures_and_cleans_up(tmp_path: Path) -> None:
    lines = run("-m", "allocdb.bench", str(tmp_path), "--quick", "--runs", "1").splitlines()
    assert [line.split("  ")[0] for line in lines[:2]] == ["get_resource", "reserve (repeated)"]
    assert all(re.search(r"Python adds -?[0-9.]+ us$", line) for line in lines[:2])
    assert re.match(r"batches of 1,000, sync=os +[0-9,]+ \(.*\) commands/s", lines[2])
    assert re.match(r"batches of 1,000, sync=full +[0-9,]+ \(.*\) commands/s", lines[3])
    assert not list(tmp_path.iterdir())


def test_the_benchmark_tells_programs_each_run(tmp_path: Path) -> None:
    arguments = str(tmp_path), "--quick", "--runs", "2", "--json"
    lines = [json.loads(line) for line in run("-m", "allocdb.bench", *arguments).splitlines()]
    assert all(set(line) == {"row", "system", "value", "unit", "command", "detail"}
               for line in lines)
    in_python = [line["row"] for line in lines if line["system"] == "AllocDB in Python"]
    assert len(in_python) == 8 and len(set(in_python)) == 4
    assert all(line["value"] > 0 for line in lines)
