"""The tests on the versions that users may have, always from the built wheel.

    python tests/matrix.py                every cell, on every Python that is there; as many at a time as JOBS says
    python tests/matrix.py lowest         one cell, on this Python

Needs a package index; each cell has a virtualenv of its own, which is removed again.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "matrix"
PYTHONS = ("3.11", "3.12", "3.13")


@dataclass(frozen=True)
class Cell:
    """What is installed beside the test tools, and which tests then run.

    Attributes:
        extras: Extras of the package.
        lowest: The dependencies that the package names are the oldest it allows; else everything is the newest.
        rooms: Rooms whose tests run, as far as they need no PydanticAI; none: all tests.
        options: Options of pytest.
    """

    extras: tuple[str, ...]
    lowest: bool = False
    rooms: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """What pytest is told to run."""
        files = [file for room in self.rooms for file in (ROOT / "tests").glob(f"test_{room}_*.py")]
        kept = [str(file) for file in files if "pydantic_ai" not in file.read_text()]
        # Speed is measured beside the newest peers; older ones are faster or slower.
        gates = ["--ignore", str(ROOT / "tests" / "test_benchmark_gates.py")] if self.lowest else []
        return [*self.options, *gates, *kept]


CELLS = {
    "newest": Cell(("all",)),
    "lowest": Cell(("all",), lowest=True),
    "httpx": Cell(  # openai before 3, which stands on httpx
        ("aiohttp", "any-llm", "langchain", "testing"),
        lowest=True,
        rooms=("doctor", "fake", "langgraph", "protocol", "tools"),
    ),
    "extras": Cell(("testing",), options=("tests/test_packaging.py", "-m", "fresh_virtualenv")),
}


def oldest(extras: Iterable[str]) -> dict[str, str]:
    """The lowest version of each dependency that the package and these extras allow together."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds: dict[str, str] = {}
    for requirement in _requirements(project, project["dependencies"], extras):
        name, bound = re.match(r"([\w-]+)(?:\[.*\])?>=([\d.]+)", requirement).groups()
        bounds[name] = max(bounds.get(name, "0"), bound, key=_ordered)
    return bounds


def _requirements(project: dict, named: list[str], extras: Iterable[str]) -> Iterator[str]:
    optional = project["optional-dependencies"]
    for requirement in [*named, *(each for extra in extras for each in optional[extra])]:
        if requirement.startswith(f"{project['name']}["):
            yield from _requirements(project, [], requirement.split("[")[1].rstrip("]").split(","))
        else:
            yield requirement


def _ordered(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def find_pythons() -> dict[str, str]:
    """The interpreters that are there, by version; pyenv keeps those that are not switched on out of the PATH."""
    found = {}
    for version in PYTHONS:
        kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        for candidate in filter(None, [shutil.which(f"python{version}"), *map(str, kept)]):
            if subprocess.run([candidate, "-c", ""], capture_output=True).returncode == 0:
                found[version] = candidate
                break
    return found


def run(name: str, version: str, python: str) -> str:
    """Install and test one cell; the last line that pytest printed, or what went wrong before."""
    cell, build = CELLS[name], BUILD / f"{name}-{version}"
    print(f"\n{name} on Python {version}", flush=True)
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)
    subprocess.run([python, "-m", "venv", build / "venv"], check=True)
    inside = [str(build / "venv" / "bin" / "python"), "-m"]
    pip = [*inside, "pip", "--quiet", "--disable-pip-version-check"]
    constraints = build / "constraints.txt"
    pins = oldest(cell.extras) if cell.lowest else {}
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
    try:
        subprocess.run([*pip, "install", "pip>=25.1"], check=True)
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", build, ROOT], check=True)
        [wheel] = build.glob("*.whl")
        wanted = [f"{wheel}[{','.join(cell.extras)}]", "--group", f"{ROOT / 'pyproject.toml'}:test"]
        subprocess.run([*pip, "install", "--constraint", constraints, *wanted], check=True)
    except subprocess.CalledProcessError as error:
        return f"failed: {' '.join(map(str, error.cmd[3:6]))}"
    tests = [*inside, "pytest", "-q", "-p", "no:cacheprovider", *cell.arguments()]
    last = ""
    with subprocess.Popen(tests, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    shutil.rmtree(build)
    return last if process.returncode == 0 else f"failed: {last}"


def main(names: list[str]) -> int:
    """Run the cells named, or all of them; 1 if one fails."""
    unknown = set(names) - set(CELLS)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(CELLS)}")
    here = "{}.{}".format(*sys.version_info)
    pythons = {here: sys.executable} if names else find_pythons()
    cells = list(product(names or CELLS, pythons))
    with ThreadPoolExecutor(int(os.environ.get("JOBS", "1"))) as jobs:
        ends = jobs.map(lambda cell: run(*cell, pythons[cell[1]]), cells)
        results = dict(zip(cells, ends, strict=True))
    print()
    for (name, version), result in results.items():
        print(f"{name:8} {version:6} {result}")
    return int(any(result.startswith("failed") for result in results.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
