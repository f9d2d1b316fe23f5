"""The pytest plugin: an offline Responses server as a fixture. Nothing heavy loads until one is used."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from .testing import Backend
    from .testing.patch import PatchedTransports
    from .testing.server import ResponsesServer, Tenant

_KEY = "OPENAI_API_KEY"
_FIXTURES = re.compile(rb"responses_(backend|client|server|transport)\b")
_BACKEND: pytest.StashKey[Backend] = pytest.StashKey()
_PATCH: pytest.StashKey[PatchedTransports] = pytest.StashKey()


@pytest.fixture
def responses_backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A fresh fake Responses server that every httpx2 and httpx client of the test meets, without wiring.

    `@pytest.mark.responses_backend("valar", brain=True, patch=False, allow_hosts=[...])` says how it behaves;
    `script="demo.yaml"`, a file beside the test, says what it answers; further options go to `Backend`.
    A passing test still fails if scripted steps are left over, if a request came that nothing was scripted
    for, or if something tried to leave the machine.
    """
    from .testing.patch import PatchedTransports

    options = _options(request.node)
    patch, allow_hosts = options.pop("patch", True), options.pop("allow_hosts", ())
    backend = request.node.stash[_BACKEND] = _make_backend(request.path.parent, options)
    if not patch:
        yield backend
        return
    patched = request.node.stash[_PATCH] = PatchedTransports(backend, allow_hosts=allow_hosts)
    with patched, _dummy_key():
        yield backend


@pytest.fixture
def responses_client(responses_backend: Backend) -> OpenAI:
    """An `OpenAI` client of `responses_backend`."""
    from .testing.transport import openai_client

    return openai_client(responses_backend)


@pytest.fixture
def async_responses_client(responses_backend: Backend) -> AsyncOpenAI:
    """An `AsyncOpenAI` client of `responses_backend`."""
    from .testing.transport import async_openai_client

    return async_openai_client(responses_backend)


@pytest.fixture
def responses_transport(responses_backend: Backend) -> Any:
    """A transport for `Client(transport=…)` and `AsyncClient(transport=…)` that reaches `responses_backend`."""
    from .testing.transport import make_transport

    return make_transport(responses_backend)


@pytest.fixture
def responses_server(
    responses_backend: Backend, _responses_socket: ResponsesServer
) -> Iterator[Tenant]:
    """`responses_backend` on a loopback socket, at `.base_url`; `.env` leads another process to it."""
    with _responses_socket.mount(responses_backend) as tenant:
        yield tenant


@pytest.fixture(scope="session")
def _responses_socket() -> Iterator[ResponsesServer]:
    from .testing.server import ResponsesServer

    with ResponsesServer() as server:
        yield server


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "responses_backend(server, **options): how the fake Responses server of this test behaves",
    )


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let modules that use these fixtures create OpenAI clients at import time without a key."""
    if not isinstance(collector, pytest.Module) or not _uses_fixtures(collector):
        return (yield)
    with _dummy_key():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Judge the script once the test itself has passed: agents swallow exceptions."""
    result = yield
    patched = item.stash.get(_PATCH, None)
    if patched is not None and patched.blocked:
        raise AssertionError(f"blocked during this test: {'; '.join(patched.blocked)}")
    backend = item.stash.get(_BACKEND, None)
    if backend is not None:
        backend.verify()
    return result


def _make_backend(folder: Path, options: dict[str, Any]) -> Backend:
    from .testing import Backend
    from .testing.replay import load_script

    if "script" not in options:
        return Backend(**options)
    # A recording has `handle` and `verify` too, though nothing to inspect.
    return cast("Backend", load_script(folder / options.pop("script"), **options))


def _options(node: pytest.Item) -> dict[str, Any]:
    """The options of all `responses_backend` marks; the closest to the test wins."""
    options: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers("responses_backend"))):
        options |= dict(zip(("server",), mark.args, strict=False)) | dict(mark.kwargs)
    return options


@contextmanager
def _dummy_key() -> Iterator[None]:
    """Give OpenAI clients a key for a while, unless there is one."""
    with pytest.MonkeyPatch.context() as environment:
        if _KEY not in os.environ:
            environment.setenv(_KEY, "fake-key")
        yield


def _uses_fixtures(collector: pytest.Module) -> bool:
    if _KEY in os.environ:
        return False
    loaded = (
        getattr(plugin, "__file__", None) for plugin in collector.config.pluginmanager.get_plugins()
    )
    conftests = (Path(file) for file in loaded if file and Path(file).name == "conftest.py")
    return any(_FIXTURES.search(path.read_bytes()) for path in (collector.path, *conftests))
