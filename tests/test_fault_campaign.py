"""Every fault of the fake on every path of both rooms: a right answer or a typed error, in time, and paid once.

The model says all that it has seen, so an answer that was given from another context is another answer. In process all
waits take virtual time. `python tests/test_fault_campaign.py` writes the outcomes into the handbook.
"""

from __future__ import annotations

import asyncio
import re
import selectors
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import httpx2
import openai
import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command
from pydantic_ai import Agent
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import ModelAPIError, SuspendedResponseExpired
from pydantic_ai.messages import ModelRequest

from responses_adapters.errors import BackgroundTimeoutError, ResponsesAdapterError
from responses_adapters.langgraph import Background, ResponsesNode
from responses_adapters.profiles import SERVERS
from responses_adapters.protocol import client as driver
from responses_adapters.pydantic_ai import (
    ResponsesModel,
    ResponsesModelSettings,
    ResponsesProvider,
    background,
)
from responses_adapters.testing import Backend, Context, Reply, Request, Turn
from responses_adapters.testing.damage import WIRE_FAULTS, Damage, apply_damages
from responses_adapters.testing.problems import ApiError, error_reply
from responses_adapters.testing.server import ResponsesServer
from responses_adapters.testing.transport import make_transport
from responses_adapters.testing.wire import Frame

Script = Callable[[Backend, int], Any]
TYPED: Final = (ResponsesAdapterError, openai.APIError, ModelAPIError, SuspendedResponseExpired)
PATHS: Final = ("create", "stream", "tool turn", "background", "poll", "resume")
SUBMITS: Final = PATHS[:4]
STREAMS: Final = ("stream",)
_ELSEWHERE: Final = {"location": "https://elsewhere.test/v1/responses"}
HANDBOOK: Final = Path(__file__).parents[1] / "cookbook" / "README.md"
PATIENCE: Final = 7200.0
"""Virtual seconds after which a turn counts as hanging."""

_FIRST = "We are 8 people. " + "We meet at nine, stay until noon, and bring our own machines. " * 5
_SECOND = "Is Birch large enough?"


@dataclass(frozen=True)
class Fault:
    """What goes wrong once the turn under test begins.

    Attributes:
        name: In the table.
        wire: Scripted right before the request it hits, given how many events of its answer still arrive.
        turn: Done to what the model says.
        always: It hits every further request, too.
        paths: Where it can happen.
    """

    name: str
    wire: Script | None = None
    turn: Callable[[Turn], Any] | None = None
    always: bool = False
    paths: tuple[str, ...] = PATHS

    @property
    def ambiguous(self) -> bool:
        """Whether the request may have been accepted although no answer came, once."""
        lost = {"lost", "closed", "reset", "504", "silence"} & set(self.name.split())
        return (
            bool(lost)
            and not self.always
            and self.paths != STREAMS
            and "conversation" not in self.name
        )


@dataclass(frozen=True)
class Outcome:
    """How the turn ended.

    Attributes:
        said: The answer, if there was one.
        shown: What was streamed before the end.
        error: What was raised instead.
        turns: Turns the model took for it: what is paid.
        seconds: Virtual time it took.
    """

    said: str | None = None
    shown: str | None = None
    error: Exception | None = None
    turns: int = 0
    seconds: float = 0.0

    @property
    def typed(self) -> bool:
        return self.error is None or isinstance(self.error, TYPED)


class Carrier:
    """A backend that lets one fault happen, at the request it is aimed at.

    What the model says is the text of everything it has seen: an answer from another context is another answer.
    """

    def __init__(self, fault: Fault | None, path: str, *, keys: bool = False) -> None:
        self.backend = Backend("openai", brain=self._speak).configure(idempotency=keys)
        self.backend.background(polls=1)
        self.behaviour = self.backend.behaviour
        self._fault = fault
        self._polled = path in {"poll", "resume"}
        self._after = 5 if path == "stream" else 0
        self._skip = {"tool turn": 1}.get(path, 0)
        self._armed = False

    def arm(self) -> None:
        self._armed = True

    def handle(self, request: Request) -> Reply:
        aimed = (request.method == "GET") == self._polled and not request.path.endswith("/cancel")
        if not (self._armed and aimed and self._fault):
            return self.backend.handle(request)
        if self._skip:
            self._skip -= 1
            return self.backend.handle(request)
        fault = self._fault
        self._armed = fault.always or fault.turn is not None
        if fault.wire is None:
            return self.backend.handle(request)
        if not self._polled:
            fault.wire(self.backend, self._after)
            return self.backend.handle(request)
        return self._disturbed(request, fault.wire)

    def _disturbed(self, request: Request, script: Script) -> Reply:
        """The same fault on a request that is no create request."""
        line = Backend("openai")
        script(line, self._after)
        if not line._queue.steps:  # it is done to what the server keeps
            script(self.backend, self._after)
            return self.backend.handle(request)
        try:
            if (reply := line.meet_failure()) is not None:
                return reply
        except ApiError as error:
            return error_reply(error, "openai")
        reply = self.backend.handle(request)
        damages = [step for step in line._queue.steps if isinstance(step, Damage)]
        if any(each.after is None for each in damages):
            return Reply(0, {}, b"", WIRE_FAULTS[damages[0].kind])
        body = [Frame(reply.body)] if isinstance(reply.body, bytes) else list(reply.body)
        return replace(reply, body=iter(apply_damages(body, damages)))

    def _speak(self, context: Context) -> Turn:
        looked = any(item.get("type") == "function_call_output" for item in context)
        if context.tools and not looked:
            return Turn().call_tool("look", room="Birch")
        turn = Turn().reply("Seen: " + " | ".join(context.texts))
        if self._armed and self._fault and self._fault.turn and not self._polled:
            self._armed = self._fault.always
            self._fault.turn(turn)
        return turn


def look(room: str) -> str:
    """Look a room up."""
    return f"{room} seats 10"


async def look_up(room: str) -> str:
    """Look a room up."""
    return look(room)


class ParkedError(ResponsesAdapterError):
    """The graph waits to be resumed once more, as it was left to be."""


@dataclass
class Room:
    """A way to run the turn under test, on a carrier of its own."""

    carrier: Carrier
    base_url: str | None = None
    timeout: float = 600.0
    interval: float = 2.0
    limit: float = 60.0
    keys: bool = False
    saver: InMemorySaver = field(default_factory=InMemorySaver)
    providers: list[ResponsesProvider] = field(default_factory=list)

    @property
    def profile(self) -> Any:
        return replace(SERVERS["openai"], honours_idempotency_key=self.keys)

    async def run(self, path: str) -> Outcome:
        shown: list[str] = []
        before = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(PATIENCE):
                said = await self.turn(path, shown)
            found = Outcome(said=said)
        except Exception as error:  # noqa: BLE001 - what it is decides the outcome
            found = Outcome(error=error)
        return replace(
            found,
            shown="".join(shown) if path == "stream" else None,
            turns=len(self.carrier.backend.contexts) - 1 - (path == "tool turn"),
            seconds=asyncio.get_running_loop().time() - before,
        )

    async def turn(self, path: str, shown: list[str]) -> str:
        raise NotImplementedError


class LangGraph(Room):
    """A graph, asynchronously."""

    thread: Any = {"configurable": {"thread_id": "1"}}  # noqa: RUF012

    async def turn(self, path: str, shown: list[str]) -> str:
        await self.invoke(self.graph(), says(_FIRST))
        self.carrier.arm()
        if path == "stream":
            return await self.streamed(self.graph(), shown)
        if path == "tool turn":
            return text_of(await self.invoke(self.graph(tools=[look]), says(_SECOND)))
        if path == "create":
            return text_of(await self.invoke(self.graph(), says(_SECOND)))
        poll = Background(poll_interval=self.interval, poll_timeout=self.limit)
        if path == "resume":
            parked = replace(poll, wait="interrupt")
            state = await self.invoke(self.graph(background=parked), says(_SECOND))
            for _ in range(5):
                state = await self.invoke(self.graph(background=parked), Command(resume="now"))
                if "__interrupt__" not in state:
                    return text_of(state)
            raise ParkedError("it has been resumed five times")
        return text_of(await self.invoke(self.graph(background=poll), says(_SECOND)))

    def graph(self, **options: Any) -> Any:
        builder = StateGraph(MessagesState)
        builder.add_node("model", ResponsesNode("m", **self.connection(), **options))
        builder.add_node("tools", ToolNode([look]))
        builder.add_edge(START, "model")
        builder.add_conditional_edges("model", tools_condition)
        builder.add_edge("tools", "model")
        return builder.compile(checkpointer=self.saver)

    def connection(self) -> dict[str, Any]:
        options: dict[str, Any] = {"server": self.profile, "api_key": "k"}
        if self.base_url is not None:
            return {**options, "base_url": self.base_url, "timeout": self.timeout}
        transport = make_transport(self.carrier)
        return {
            **options,
            "http_async_client": openai.DefaultAsyncHttpxClient(transport=transport),
            "http_client": openai.DefaultHttpxClient(transport=transport),
        }

    async def invoke(self, graph: Any, update: Any) -> Any:
        return await graph.ainvoke(update, self.thread)

    async def streamed(self, graph: Any, shown: list[str]) -> str:
        last: Any = None
        modes = ["messages", "values"]
        async for mode, part in graph.astream(says(_SECOND), self.thread, stream_mode=modes):
            last = keep(mode, part, shown) or last
        return text_of(last)


class SyncLangGraph(LangGraph):
    """The same graph, synchronously; its waits take no time."""

    async def invoke(self, graph: Any, update: Any) -> Any:
        return graph.invoke(update, self.thread)

    async def streamed(self, graph: Any, shown: list[str]) -> str:
        last: Any = None
        modes = ["messages", "values"]
        for mode, part in graph.stream(says(_SECOND), self.thread, stream_mode=modes):
            last = keep(mode, part, shown) or last
        return text_of(last)


def says(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def keep(mode: str, part: Any, shown: list[str]) -> Any:
    if mode == "values":
        return part
    chunk, _ = part
    if isinstance(chunk, AIMessageChunk):
        shown.append(chunk.text)
    return None


def text_of(state: Any) -> str:
    return str(state["messages"][-1].text)


class PydanticAI(Room):
    """An agent."""

    async def turn(self, path: str, shown: list[str]) -> str:
        history = (await self.agent().run(_FIRST)).all_messages()
        self.carrier.arm()
        if path == "stream":
            async with self.agent().run_stream(_SECOND, message_history=history) as result:
                shown += [text async for text in result.stream_text(delta=True, debounce_by=None)]
                return await result.get_output()
        if path == "resume":
            history = [*history, ModelRequest.user_text_prompt(_SECOND)]
            job = await model_request(self.model(openai_background=True), history)
            assert job.state == "suspended"
            result = await self.agent(openai_background=True).run(message_history=[*history, job])
            return result.output
        agent = self.agent(openai_background=path in {"background", "poll"})
        if path == "tool turn":
            agent.tool_plain(look_up, name="look")
        return (await agent.run(_SECOND, message_history=history)).output

    def agent(self, **settings: Any) -> Agent[None, str]:
        return Agent(self.model(**settings))

    def model(self, **settings: Any) -> ResponsesModel:
        options: dict[str, Any] = {"base_url": self.base_url}
        if self.base_url is None:
            sender = httpx2.AsyncClient(transport=make_transport(self.carrier))
            options = {"base_url": "https://api.openai.com/v1", "http_client": sender}
        waits = {
            "timeout": self.timeout,
            "responses_poll_interval": self.interval,
            "responses_poll_timeout": self.limit,
        }
        provider = ResponsesProvider(self.profile, api_key="k", **options)
        self.providers.append(provider)  # until the loop ends, and closes their connections
        return ResponsesModel(
            "m",
            provider=provider,
            settings=ResponsesModelSettings(**{**waits, **settings}),
        )


ROOMS: Final = {"LangGraph": LangGraph, "PydanticAI": PydanticAI, "LangGraph sync": SyncLangGraph}


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers fire at once, in order, and whose `time` goes on by what they would have taken."""

    def __init__(self) -> None:
        self.skipped = 0.0
        super().__init__(_NoWait(self))

    def time(self) -> float:
        return super().time() + self.skipped

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """In the loop's own thread: a thread beside it would need real time."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except BaseException as error:  # noqa: BLE001 - as an executor does
            done.set_exception(error)
        return done


class _NoWait(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout != 0:
            if timeout is None:
                raise AssertionError("nothing is under way, and nothing will ever happen")
            self._loop.skipped += timeout
        return ready


@contextmanager
def virtual_waits() -> Iterator[None]:
    """Let the waits that no event loop makes take no time either."""
    clock = SimpleNamespace(now=0.0)

    def time() -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return clock.now

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "time", SimpleNamespace(sleep=lambda _: None, monotonic=time))
        patch.setattr(background, "time", SimpleNamespace(time=time))
        yield


def in_process(room: str, path: str, fault: Fault | None, *, keys: bool = False) -> Outcome:
    """The turn in process and in virtual time."""
    carrier = Carrier(fault, path, keys=keys)
    with virtual_waits(), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(ROOMS[room](carrier, keys=keys).run(path))


FAULTS: Final = (
    Fault("connection refused", lambda be, _: be.refuse_connection()),
    Fault("connection refused for good", lambda be, _: be.refuse_connection(), always=True),
    Fault("closed before the headers", lambda be, _: be.disconnect()),
    Fault("reset before the headers", lambda be, _: be.disconnect(kind="reset")),
    Fault("silence before the headers", lambda be, _: be.stall()),
    Fault("silence for good", lambda be, _: be.stall(), always=True),
    Fault("answer lost on the way", turn=lambda turn: turn.disconnect(), paths=SUBMITS),
    Fault("answer lost in silence", turn=lambda turn: turn.stall(), paths=SUBMITS),
    Fault("429", lambda be, _: be.fail(429)),
    Fault("429 for good", lambda be, _: be.fail(429), always=True),
    Fault("no quota", lambda be, _: be.fail("insufficient_quota"), always=True),
    Fault("500", lambda be, _: be.fail(500)),
    Fault("502 with a page", lambda be, _: be.fail(502, body="<html>Bad gateway</html>")),
    Fault("503", lambda be, _: be.fail(503)),
    Fault("503 for good", lambda be, _: be.fail(503), always=True),
    Fault("504", lambda be, _: be.fail(504)),
    Fault("504 though the answer was made", turn=lambda turn: turn.time_out(), paths=SUBMITS),
    Fault("409", lambda be, _: be.fail(409)),
    Fault("400", lambda be, _: be.fail(400), always=True),
    Fault("401", lambda be, _: be.fail(401), always=True),
    Fault("403", lambda be, _: be.fail(403), always=True),
    Fault("404", lambda be, _: be.fail(404), always=True),
    Fault("redirect", lambda be, _: be.fail(307, headers=_ELSEWHERE), always=True),
    Fault("error inside 200", lambda be, _: be.fail(200, "inside", code="server_error")),
    Fault("page inside 200", lambda be, _: be.fail(200, body="<html>Sign in</html>")),
    Fault("too long", lambda be, _: be.fail("context_length_exceeded"), always=True),
    Fault("conversation busy", lambda be, _: be.fail("conversation_locked")),
    Fault("sealed reasoning refused", lambda be, _: be.fail("invalid_encrypted_content")),
    Fault("stream ends early", lambda be, n: be.truncate(n), paths=STREAMS),
    Fault("body ends early", lambda be, n: be.cut_line(n)),
    Fault("closed in the body", lambda be, n: be.disconnect(n)),
    Fault("reset in the body", lambda be, n: be.disconnect(n, kind="reset")),
    Fault("silence in the body", lambda be, n: be.stall(n)),
    Fault("broken JSON", lambda be, n: be.malformed(n)),
    Fault("error event", lambda be, n: be.error_event(after=n), paths=STREAMS),
    Fault(
        "error event, nested", lambda be, n: be.error_event(after=n, shape="nested"), paths=STREAMS
    ),
    Fault("error event, bare", lambda be, n: be.error_event(after=n, shape="bare"), paths=STREAMS),
    Fault("event lost", lambda be, n: be.drop_event(n), paths=STREAMS),
    Fault("event twice", lambda be, n: be.duplicate_event(n), paths=STREAMS),
    Fault("events swapped", lambda be, n: be.swap_events(n), paths=STREAMS),
    Fault("failed", turn=lambda turn: turn.fail_turn(), paths=SUBMITS),
    Fault("incomplete", turn=lambda turn: turn.incomplete(), paths=SUBMITS),
    Fault("content filter", turn=lambda turn: turn.incomplete("content_filter"), paths=SUBMITS),
    Fault("conversation lost", lambda be, _: be.forget()),
    Fault("id ignored, null echoed", lambda be, _: be.ignore_previous_id(), paths=SUBMITS),
    Fault("id ignored and echoed", lambda be, _: be.ignore_previous_id(echo=True), paths=SUBMITS),
    Fault(
        "fields missing", lambda be, _: be.leave_out("usage", "created_at", "model"), paths=SUBMITS
    ),
    Fault("one id for all", lambda be, _: be.reuse_ids(), paths=SUBMITS),
    Fault("other id on retrieval", lambda be, _: be.change_id_on_retrieve()),
)


def on_socket(server: ResponsesServer, room: str, path: str, fault: Fault) -> Outcome:
    """The turn over a real connection, with short waits."""
    carrier = Carrier(fault, path)
    silent = "silence" in fault.name
    waits = isinstance(outcome_of(room, path, fault).error, BackgroundTimeoutError)
    with server.mount(carrier) as tenant:
        turn = ROOMS[room](
            carrier,
            base_url=tenant.base_url,
            timeout=3.0 if silent else 30.0,
            interval=0.05,
            limit=4.0 if waits else 60.0,
        )
        return asyncio.run(turn.run(path))


@cache
def outcome_of(room: str, path: str, fault: Fault | None, keys: bool = False) -> Outcome:
    """The outcome of one cell, in process."""
    return in_process(room, path, fault, keys=keys)


def in_words(room: str, path: str, fault: Fault, found: Outcome) -> str:
    """What a cell of the table says."""
    if isinstance(found.error, ParkedError):
        return "stays parked"
    if found.error is not None:
        return f"`{type(found.error).__name__}`"
    right = outcome_of(room, path, None)
    words = "answer" if found.said == right.said else "WRONG ANSWER"
    return f"{words}, paid twice" if found.turns > right.turns else words


def outcome_table(room: str) -> str:
    """The outcomes of one room, faults that end alike on one line."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for fault in FAULTS:
        cells = tuple(
            in_words(room, path, fault, outcome_of(room, path, fault))
            if path in fault.paths
            else "–"
            for path in PATHS
        )
        rows.setdefault(cells, []).append(fault.name)
    lines = [["fault", *PATHS], ["---"] * (len(PATHS) + 1)]
    lines += [["; ".join(names), *cells] for cells, names in rows.items()]
    return "\n".join(
        f"| {' | '.join(line)} |".replace("| --- ", "|---").replace("--- |", "---|")
        for line in lines
    )


def filled_in(handbook: str) -> str:
    """The handbook with the tables as they are now."""
    for room in ("LangGraph", "PydanticAI"):
        table = f"<!-- faults: {room} -->\n{outcome_table(room)}\n<!-- end -->"
        pattern = rf"(?s)<!-- faults: {room} -->.*?<!-- end -->"
        handbook = re.sub(pattern, lambda _, table=table: table, handbook)  # type: ignore[misc]
    return handbook


CELLS: Final = [
    pytest.param(room, path, fault, id=f"{room}-{path}-{fault.name}")
    for room in ("LangGraph", "PydanticAI")
    for fault in FAULTS
    for path in fault.paths
]
REORDERED: Final = {"event lost", "event twice", "events swapped"}


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("path", PATHS)
def test_without_a_fault_every_path_gives_the_answer(room: str, path: str) -> None:
    outcome = outcome_of(room, path, None)
    assert outcome.error is None
    assert outcome.said is not None
    assert outcome.said.startswith(f"Seen: {_FIRST} | Seen: {_FIRST} | {_SECOND}")
    assert ("seats 10" in outcome.said) == (path == "tool turn")
    assert outcome.turns == 1


@pytest.mark.parametrize(("room", "path", "fault"), CELLS)
def test_a_fault_ends_in_the_right_answer_or_in_a_typed_error_and_is_paid_once(
    room: str, path: str, fault: Fault
) -> None:
    outcome = outcome_of(room, path, fault)
    assert outcome.typed, repr(outcome.error)
    assert outcome.seconds < 70
    thrown_away = fault.name.startswith("id ignored")  # an answer without its context
    assert outcome.turns <= 1 + thrown_away
    if outcome.error is None:
        assert outcome.said == outcome_of(room, path, None).said
        if path == "stream" and fault.name not in REORDERED:
            assert outcome.shown == outcome.said


@pytest.mark.parametrize("room", ROOMS)
def test_a_background_response_that_failed_is_not_waited_for(room: str) -> None:
    (failed,) = (fault for fault in FAULTS if fault.name == "failed")
    outcome = outcome_of(room, "background", failed)
    assert type(outcome.error).__name__ in {"ResponseFailedError", "ModelServerError"}
    assert outcome.seconds < 10


LOST: Final = [cell for cell in CELLS if cell.values[2].ambiguous]  # type: ignore[union-attr]


@pytest.mark.parametrize(("room", "path", "fault"), LOST)
def test_where_the_server_honours_keys_what_was_lost_is_sent_again_and_paid_once(
    room: str, path: str, fault: Fault
) -> None:
    outcome = outcome_of(room, path, fault, keys=True)
    assert outcome.turns == 1
    if path != "stream":  # of a stream, the beginning may have been seen
        assert outcome.error is None
        assert outcome.said == outcome_of(room, path, None).said


@pytest.mark.parametrize("path", PATHS)
def test_sync_and_async_end_alike(path: str) -> None:
    for fault in FAULTS:
        if path in fault.paths:
            found = [
                in_words(room, path, fault, outcome_of(room, path, fault))
                for room in ("LangGraph", "LangGraph sync")
            ]
            assert found[0] == found[1], fault.name


@pytest.mark.parametrize(
    "paths",
    [
        ("create", "stream", "poll"),
        pytest.param(("tool turn", "background", "resume"), marks=pytest.mark.deep),
    ],
    ids=" ".join,
)
def test_over_a_socket_every_fault_ends_as_it_does_in_process(paths: tuple[str, ...]) -> None:
    cells = [
        (room, path, fault)
        for room in ("LangGraph sync", "PydanticAI")
        for fault in FAULTS
        for path in paths
        if path in fault.paths and "refused" not in fault.name  # a listening socket refuses nobody
    ]
    for cell in cells:
        outcome_of(*cell)
    with ResponsesServer() as server, ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda cell: on_socket(server, *cell), cells)
        told = {
            (room, path, fault.name): in_words(room, path, fault, outcome)
            for (room, path, fault), outcome in zip(cells, found, strict=True)
        }
    assert told == {
        (room, path, fault.name): in_words(room, path, fault, outcome_of(room, path, fault))
        for room, path, fault in cells
    }


def test_the_handbook_shows_the_outcomes_as_they_are() -> None:
    assert HANDBOOK.read_text() == filled_in(HANDBOOK.read_text())


if __name__ == "__main__":
    HANDBOOK.write_text(filled_in(HANDBOOK.read_text()))
