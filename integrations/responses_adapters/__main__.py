"""The command line: `responses-adapters <command>`, or `python -m responses_adapters <command>`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from .errors import ResponsesAdapterError
from .profiles import known_servers

__all__ = ["COMMANDS", "Command", "main"]

_NAME: Final = "responses-adapters"


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
    parser = _parser()
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


def _parser() -> argparse.ArgumentParser:
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
        default="openai",
        metavar="NAME",
        help=f"whose behaviour to show: {', '.join(known_servers())} (default: openai)",
    )
    parser.add_argument(
        "--brain",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="answer what is not scripted by simple rules (default), or with an error",
    )


def _serve_options(parser: argparse.ArgumentParser) -> None:
    _fake_options(parser)
    parser.add_argument(
        "--port", type=int, default=8000, metavar="N", help="0 takes a free one (default: 8000)"
    )


def _serve(arguments: argparse.Namespace) -> int:
    from .testing import Backend
    from .testing.server import ResponsesServer

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    backend = Backend(arguments.server, brain=arguments.brain)
    with ResponsesServer(backend, port=arguments.port) as server:
        settings = " ".join(f"{name}={value}" for name, value in server.env.items())
        sys.stdout.write(
            f"Fake {arguments.server} server at {server.base_url}  export {settings}\n"
        )
        sys.stdout.flush()
        stop.wait()
    return 0


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
        name="serve",
        help="run the fake Responses server on a loopback port",
        options=_serve_options,
        run=_serve,
    ),
)

if __name__ == "__main__":
    sys.exit(main())
