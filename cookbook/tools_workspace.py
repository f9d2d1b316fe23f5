"""Seven file and terminal tools that stay in one folder, for a coding agent.

Why: paths outside are refused, links included; only listed commands run, with no shell and none of your
environment. This is no sandbox: what is run can do what you can. Code that you do not trust belongs into a
container.

Run: python cookbook/tools_workspace.py

Prints:
    rm may not be run; these may: python.
    ../../etc/passwd is outside of the workspace.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from responses_adapters.tools import Toolbox, ToolError

COMMANDS = {"python": sys.executable}


class Workspace:
    """A folder, and what may be done in it."""

    def __init__(self, folder: str) -> None:
        self.root = Path(folder).resolve()

    def inside(self, path: str) -> Path:
        if not (found := (self.root / path).resolve()).is_relative_to(self.root):
            raise ToolError(f"{path} is outside of the workspace.")
        return found

    def list_files(self, folder: str = ".") -> list[str]:
        """List a folder."""
        return sorted(each.name for each in self.inside(folder).iterdir())

    def find_files(self, pattern: str) -> list[str]:
        """Find files by a pattern such as *.py."""
        found = {self.inside(str(each)) for each in self.root.rglob(pattern)}
        return sorted(str(each.relative_to(self.root)) for each in found if each.is_file())

    def read_file(self, path: str) -> str:
        """Read a text file."""
        return self.inside(path).read_text(errors="replace")

    def write_file(self, path: str, text: str) -> str:
        """Write a text file."""
        return f"{self.inside(path).write_text(text)} characters written"

    def edit_file(self, path: str, old: str, new: str) -> str:
        """Replace a text that occurs once in a file."""
        if (found := self.read_file(path).count(old)) != 1:
            raise ToolError(f"{old!r} occurs {found} times in {path}.")
        return self.write_file(path, self.read_file(path).replace(old, new))

    def search_text(self, text: str) -> str:
        """Find the lines that hold a text, in all files."""
        lines = ((f, line) for f in self.find_files("*") for line in self.read_file(f).splitlines())
        return "\n".join(f"{file}: {line}" for file, line in lines if text in line)

    def run_command(self, command: str) -> str:
        """Run a command."""
        name, *rest = shlex.split(command)
        if name not in COMMANDS:
            raise ToolError(f"{name} may not be run; these may: {', '.join(COMMANDS)}.")
        words = [COMMANDS[name], *rest]
        done = subprocess.run(words, cwd=self.root, env={}, capture_output=True, timeout=60)
        return (done.stdout + done.stderr).decode(errors="replace")

    def toolbox(self) -> Toolbox:
        files = (self.list_files, self.find_files, self.read_file, self.write_file, self.edit_file)
        return Toolbox([*files, self.search_text, self.run_command])


def main() -> None:
    calls = ("run_command", '{"command": "rm -r /"}'), ("read_file", '{"path": "../../etc/passwd"}')
    items = [{"type": "function_call", "call_id": n, "name": n, "arguments": a} for n, a in calls]
    for output in Workspace(".").toolbox().execute_sync(items):
        print(output["output"])


if __name__ == "__main__":
    main()

# Where next: server_blackbox.py gives these tools to a model.
