"""`responses-adapters doctor`: from its arguments to a printed report and an exit status."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ..endpoints import Endpoint, resolve_endpoint
from ..errors import ConfigurationError, MissingExtraError
from ..profiles import dump_profile
from .chart import UnusableServerError
from .report import as_json, named, print_report
from .shell import diagnose, public_address
from .visit import Request

__all__ = ["run"]

_UNUSABLE: Final = 2


def run(arguments: argparse.Namespace, *, http_client: Any = None) -> int:
    """Examine a server and print what was found.

    Args:
        arguments: `url`, `key`, `model`, `json`, `save`, `requests`, `timeout`.
        http_client: HTTP client to use instead of one of its own.

    Returns:
        0, or 2 for a server that cannot be used (the reason goes to stderr, with `json` to stdout).

    Raises:
        ConfigurationError: An argument makes no sense, or there is no key.
        MissingExtraError: The table needs rich.
    """
    if not arguments.json and not _has_rich():
        raise MissingExtraError("testing", "rich")
    endpoint = _endpoint(arguments)
    saved: str | None = arguments.save
    if saved is not None:
        _check_file(saved)
    try:
        with _progress(arguments.requests, endpoint) as progress:
            found = diagnose(
                endpoint,
                model=arguments.model,
                requests=arguments.requests,
                timeout=arguments.timeout,
                http_client=http_client,
                progress=progress,
            )
    except UnusableServerError as verdict:
        if not arguments.json:
            raise
        sys.stdout.write(json.dumps({"usable": False, "verdict": str(verdict)}, indent=2) + "\n")
        return _UNUSABLE
    address = public_address(endpoint.base_url)
    known = replace(found.profile, base_url=address)
    found = replace(found, profile=known if endpoint.is_home else named(found.profile, address))
    if saved is not None:
        Path(saved).write_text(dump_profile(found.profile), encoding="utf-8")
    if arguments.json:
        sys.stdout.write(json.dumps(as_json(found, saved), indent=2, ensure_ascii=False) + "\n")
        return 0
    from rich.console import Console

    print_report(Console(), found, saved)
    return 0


def _has_rich() -> bool:
    try:
        import rich  # noqa: F401
    except ImportError:
        return False
    return True


def _check_file(name: str) -> None:
    """That a profile can be saved there, before any request is made."""
    if not name.endswith(".toml"):
        raise ConfigurationError(
            f"--save {name}: the name has to end in .toml to be loaded by server="
        )
    file = Path(name).absolute()
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        raise ConfigurationError(f"--save {name}: nothing can be written in {file.parent}")
    if file.exists() and not (file.is_file() and os.access(file, os.W_OK)):
        raise ConfigurationError(f"--save {name}: there is something that cannot be written over")


def _endpoint(arguments: argparse.Namespace) -> Endpoint:
    """Where to: an address, or the name of a known server."""
    url: str = arguments.url
    if arguments.requests < 1 or not 0 < arguments.timeout < math.inf:
        raise ConfigurationError("--requests and --timeout have to be more than zero")
    by_name = url if not {":", "/"} & set(url) else None
    return resolve_endpoint(
        by_name,
        base_url=None if by_name else url,
        api_key=arguments.key or None,
        allow_user=True,
    )


@contextlib.contextmanager
def _progress(budget: int, endpoint: Endpoint) -> Iterator[Callable[[Request], None]]:
    """Tells on stderr what is being asked: a bar on a terminal, else a line for each request."""
    address = public_address(endpoint.base_url)
    sys.stderr.write(f"Probing {address} with at most {budget} small requests.\n")
    if not sys.stderr.isatty() or not _has_rich():

        def tell(request: Request) -> None:
            number = f"{request.number}/{budget} " if request.number else ""
            sys.stderr.write(f"{number}{request.subject}\n")

        yield tell
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("…", total=budget)

        def advance(request: Request) -> None:
            done = budget if request.number is None else request.number - 1
            bar.update(task, completed=done, description=request.subject)

        yield advance
