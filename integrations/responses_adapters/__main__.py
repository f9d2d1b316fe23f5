"""The command line: `responses-adapters <command>`, or `python -m responses_adapters <command>`."""

from __future__ import annotations

import argparse
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .errors import ConfigurationError, ResponsesAdapterError
from .profiles import known_servers

if TYPE_CHECKING:
    from .testing import Backend
    from .testing.replay import Replay

__all__ = ["COMMANDS", "Command", "main"]

_NAME: Final = "responses-adapters"
_SERVED: Final = 10_000
"""Requests and responses that `serve` keeps: it may run for months."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One subcommand.

    Attributes:
        name: What users type.
        help: One line for the overview.
        options: Adds its arguments to a parser.
        run: Does the work and gives the exit status.
        forwards: Whether everything after the name goes on unread, as `arguments.rest`.
    """

    name: str
    help: str
    run: Callable[[argparse.Namespace], int]
    options: Callable[[argparse.ArgumentParser], None] = lambda _: None
    forwards: bool = False


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors meant for people become one line on stderr and status 2."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    parser = make_parser()
    known, rest = parser.parse_known_args(arguments)
    command: Command = known.command
    if rest and not command.forwards:
        parser.error(f"{command.name}: unknown arguments: {' '.join(rest)}")
    known.rest = rest
    try:
        return command.run(known)
    except ResponsesAdapterError as error:
        sys.stderr.write(f"{_NAME} {command.name}: {error}\n")
        return 2


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_NAME, description="Responses-API servers and the agent frameworks you already use."
    )
    subparsers = parser.add_subparsers(title="commands", metavar="<command>", required=True)
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name,
            help=command.help,
            description=command.help,
            add_help=not command.forwards,
        )
        command.options(subparser)
        subparser.set_defaults(command=command)
    return parser


def _fake_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--server",
        metavar="NAME",
        help=f"whose behaviour to show: {', '.join(known_servers())} (default: openai)",
    )
    parser.add_argument(
        "--script", metavar="FILE", help="YAML with what to say, or what `record` wrote"
    )
    parser.add_argument(
        "--brain",
        action=argparse.BooleanOptionalAction,
        help="answer what is not scripted by simple rules, or with an error"
        " (default: rules, unless there is a script)",
    )


def _port_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, default=8000, metavar="N", help="0 takes a free one (default: 8000)"
    )


def _fake(arguments: argparse.Namespace) -> Backend | Replay:
    from .testing import Backend
    from .testing.replay import load_script

    if arguments.script is not None:
        return load_script(arguments.script, server=arguments.server, brain=arguments.brain)
    return Backend(arguments.server or "openai", brain=arguments.brain is not False)


def _serve_options(parser: argparse.ArgumentParser) -> None:
    _fake_options(parser)
    _port_option(parser)


def _serve(arguments: argparse.Namespace) -> int:
    from .testing import Backend
    from .testing.server import ResponsesServer
    from .testing.transport import emulated_profile

    backend = _fake(arguments)
    if isinstance(backend, Backend):
        # Its clock stands still: a limit by the minute would be reached once and for all.
        backend.remember(_SERVED).configure(rate_limit=None)
    with ResponsesServer(backend, port=arguments.port) as server:
        name = emulated_profile(backend).name
        _wait(f"Fake {name} server at {server.base_url}  {_exports(server.env)}")
    return 0


def _record_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--server", metavar="NAME", help="the real server, by name")
    parser.add_argument("--upstream", metavar="URL", help="the real server, by base URL")
    parser.add_argument(
        "--output", metavar="FILE", default="recorded.yaml", help="(default: recorded.yaml)"
    )
    _port_option(parser)


def _record(arguments: argparse.Namespace) -> int:
    from .endpoints import resolve_endpoint
    from .testing.record import record_into
    from .testing.server import environment

    endpoint = resolve_endpoint(arguments.server, base_url=arguments.upstream)
    with record_into(arguments.output, endpoint, port=arguments.port) as server:
        exports = _exports(environment(server.base_url, endpoint.profile))
        target = f"{endpoint.base_url} into {arguments.output}"
        _wait(f"Recording {target} at {server.base_url}  {exports}")
    return 0


def _run_options(parser: argparse.ArgumentParser) -> None:
    _fake_options(parser)
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="HOST", help="let it be reached"
    )
    parser.add_argument("file", help="the Python file to run")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what it gets as arguments")


def _run(arguments: argparse.Namespace) -> int:
    from .testing.patch import PatchedTransports
    from .testing.server import ResponsesServer

    file = Path(arguments.file)
    if not file.is_file():
        raise ConfigurationError(f"there is no file {file}")
    backend = _fake(arguments)
    patched = PatchedTransports(
        backend,
        allow_hosts=arguments.allow_host,
        remedy="Replace what makes the request, or let it pass with --allow-host {host}.",
    )
    with ResponsesServer(backend) as server, patched:
        os.environ.update(server.env)
        sys.argv = [str(file), *arguments.arguments]
        sys.path.insert(0, str(file.resolve().parent))
        try:
            runpy.run_path(str(file), run_name="__main__")
        except SystemExit as ended:  # of success too: sys.exit(main())
            if ended.code not in (None, 0):
                raise
    try:
        if arguments.script is not None:
            backend.verify()
    except AssertionError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _exports(settings: Mapping[str, str]) -> str:
    return " ".join(["export", *(f"{name}={value}" for name, value in settings.items())])


def _wait(ready: str) -> None:
    """Print one line, then wait for Ctrl-C or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    sys.stdout.write(f"{ready}\n")
    sys.stdout.flush()
    stop.wait()


def _doctor_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "url", metavar="URL", help="address of the API, or the name of a known server"
    )
    parser.add_argument("--key", help="(default: the server's environment variable)")
    parser.add_argument(
        "--model", metavar="NAME", help="(default: the first that the server lists)"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument(
        "--save", metavar="FILE", help='write the profile, to be used as server="FILE" (.toml)'
    )
    parser.add_argument(
        "--requests",
        type=int,
        default=25,
        metavar="N",
        help="make at most N (default: 25), then delete what they stored",
    )
    parser.add_argument(
        "--timeout", type=float, default=60, metavar="S", help="seconds for each (default: 60)"
    )


def _doctor(arguments: argparse.Namespace) -> int:
    from .doctor import run

    return run(arguments)


def _demo(arguments: argparse.Namespace) -> int:
    from .demo import main as demo

    return demo(arguments.rest)


COMMANDS: Final = (
    Command(
        name="demo",
        help="a room-booking conversation through LangGraph and PydanticAI",
        run=_demo,
        forwards=True,
    ),
    Command(
        name="doctor",
        help="find out what a Responses server can do, and which settings suit it",
        options=_doctor_options,
        run=_doctor,
    ),
    Command(
        name="serve",
        help="run the fake Responses server on a loopback port",
        options=_serve_options,
        run=_serve,
    ),
    Command(
        name="run",
        help="run a Python file offline: its Responses clients meet the fake, unedited",
        options=_run_options,
        run=_run,
    ),
    Command(
        name="record",
        help="stand between a client and a real server, and write a script that replays it",
        options=_record_options,
        run=_record,
    ),
)

if __name__ == "__main__":
    sys.exit(main())
