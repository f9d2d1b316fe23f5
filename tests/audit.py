"""Look what is installed up in the package index's list of known vulnerabilities: python tests/audit.py requirements.txt

Run by a Python that has pip-audit. Ends with 1 where something is vulnerable, or where nothing could be looked up.
"""

from __future__ import annotations

import json
import subprocess
import sys


def main(requirements: str) -> int:
    """Audit pinned requirements and say in one line what came of it."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps"]
    options = ["--progress-spinner", "off", "--format", "json", "--requirement", requirements]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except ValueError:
        print(done.stderr.strip().rpartition("\n")[2])
        print("Nothing was audited: the package index has no vulnerability service that answers.")
        return 1
    audited = [each for each in found if "skip_reason" not in each]
    vulnerable = [each for each in audited if each["vulns"]]
    for each in vulnerable:
        ids = ", ".join(vulnerability["id"] for vulnerability in each["vulns"])
        print(f"{each['name']} {each['version']}: {ids}")
    if not audited:
        print(
            f"Nothing was audited: the package index knows nothing of {len(found)} packages'"
            " vulnerabilities. Run this where pypi.org can be reached."
        )
        return 1
    print(f"{len(audited)} of {len(found)} packages audited, {len(vulnerable)} vulnerable.")
    return int(bool(vulnerable))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
