"""The real servers: how each is started, on a free loopback port and with data of its own, and stopped."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .upstream import MODEL

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE = 180.0
"""Seconds until a server has to be up; on two busy cores LiteLLM takes one minute."""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A server in a virtualenv of its own.

    Attributes:
        name: The name of its requirements and its virtualenv.
        title: What it is called.
        command: The program and its arguments, given the port.
        prefix: Where its API begins.
        health: What it answers as soon as it is up.
        model: What it calls the model behind it.
        environment: Variables that it needs.
    """

    name: str
    title: str
    command: Callable[[int], list[str]]
    prefix: str = "/v1"
    health: str = "/v1/models"
    model: str = MODEL
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Its virtualenv."""
        return ROOT / f".venv-{self.name}"

    @property
    def version(self) -> str:
        """What its requirements pin."""
        lines = (HERE / f"{self.name}.txt").read_text().splitlines()
        return next(line for line in lines if line.startswith(self.name)).partition("==")[2]


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that answers.

    Attributes:
        name: Its name here.
        title: What it is called, with its version.
        base_url: Its address.
        api_key: Its key.
        model: What it calls the model behind it.
    """

    name: str
    title: str
    base_url: str
    api_key: str
    model: str


def _tokenizer_files() -> str:
    """Where tiktoken finds its vocabulary without a network: LiteLLM's wheel carries it."""
    found = ROOT.glob(".venv-litellm/lib/*/site-packages/litellm/litellm_core_utils/tokenizers")
    return str(next(found, ""))


INSTALLED = {
    each.name: each
    for each in (
        Installed(
            name="ogx",
            title="OGX",
            model=f"vllm/{MODEL}",
            command=lambda port: [
                *("ogx", "run", str(HERE / "ogx.yaml"), "--port", str(port), "--insecure"),
            ],
            environment={"TIKTOKEN_CACHE_DIR": _tokenizer_files(), "OGX_TELEMETRY": "false"},
        ),
        Installed(
            name="litellm",
            title="LiteLLM",
            command=lambda port: [
                *("litellm", "--config", str(HERE / "litellm.yaml"), "--telemetry", "False"),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        ),
        Installed(
            name="azure",
            title="Azure agent server",
            command=lambda port: ["python", str(HERE / "azure_agent.py")],
            prefix="",
            health="/readiness",
        ),
    )
}


@contextmanager
def running(installed: Installed, *, upstream_url: str, folder: Path) -> Iterator[Running]:
    """Start a server, and stop it and whatever it started, come what may.

    Args:
        installed: Which one.
        upstream_url: The chat-completions server to put behind it.
        folder: An empty one, for its data and its log.

    Raises:
        RuntimeError: It is not installed, ended, or was not up in time; the message ends with the end of its log.
    """
    if not installed.home.exists():
        raise RuntimeError(f"{installed.home.name} is missing: make test-servers sets it up")
    key, port = f"sk-{secrets.token_hex(8)}", _free_port()
    program, *arguments = installed.command(port)
    environment = {
        "PATH": f"{installed.home / 'bin'}:{os.environ['PATH']}",
        "HOME": str(folder),
        "DATA_DIR": str(folder),
        "UPSTREAM_URL": upstream_url,
        "MASTER_KEY": key,
        "PORT": str(port),
        "NO_PROXY": "127.0.0.1",
        **installed.environment,
    }
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [installed.home / "bin" / program, *arguments],
            cwd=folder,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(process, address + installed.health, key, log)
        yield Running(
            name=installed.name,
            title=f"{installed.title} {installed.version}",
            base_url=address + installed.prefix,
            api_key=key,
            model=installed.model,
        )
    finally:
        _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], url: str, key: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"})
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=10):
                return
        except OSError:
            time.sleep(0.5)
    what = "ended" if process.poll() is not None else f"was not up after {PATIENCE:g} s"
    raise RuntimeError(f"the server {what}:\n{log.read_text(errors='replace')[-3000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
