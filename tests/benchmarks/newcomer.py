"""How long a newcomer waits: from `git clone` to the first words of an answer, and to the end of the demo.

    python tests/benchmarks/newcomer.py [REPOSITORY]

It clones into a new directory with a space in its name and runs `make demo`, which sets everything up: a package
index must be reachable. What pip has cached, it uses, unless `PIP_NO_CACHE_DIR=1` is set.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ANSWER = re.compile(rb"Agent +\S")
"""The demo has begun to print what the agent says."""
OURS = re.compile(r"OPENAI_|RESPONSES_|VIRTUAL_ENV$|MAKEFLAGS$|MAKELEVEL$")
"""Variables that a newcomer has not set."""


def main() -> int:
    """Clone, run, and print when each thing was there."""
    repository = sys.argv[1] if len(sys.argv) > 1 else str(ROOT)
    environment = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    environment["PYTHONUNBUFFERED"] = "1"
    with tempfile.TemporaryDirectory(prefix="new comer ") as folder:
        started = time.monotonic()

        def report(what: str) -> None:
            print(f"{what:<22}{time.monotonic() - started:6.1f} s", flush=True)

        subprocess.run(["git", "clone", "--quiet", repository, "here"], cwd=folder, check=True)
        report("cloned")
        said, answered = b"", False
        with subprocess.Popen(
            ["make", "demo"],
            cwd=Path(folder) / "here",
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as demo:
            assert demo.stdout is not None
            while chunk := os.read(demo.stdout.fileno(), 65_536):
                said += chunk
                if not answered and ANSWER.search(said):
                    answered = True
                    report("first streamed answer")
        report("end of the demo")
    if demo.returncode or not answered:
        print(said.decode(errors="replace"))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
