"""The demo: one conversation of two turns with tools, through LangGraph and through PydanticAI, and what it cost.

Without settings it starts a fake server as a process of its own; with `OPENAI_BASE_URL`, `OPENAI_API_KEY` and
`RESPONSES_MODEL` it talks to yours.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, cast

from .errors import MissingExtraError, ResponsesAdapterError

if TYPE_CHECKING:
    import httpx2
    from rich.console import Console

__all__ = ["main"]

PROMPTS: Final = (
    "Is the Birch room free at 2pm on June 8? If so, book it.",
    "Also grab the Cedar room right after, at 3pm the same day.",
)
_READY: Final = re.compile(r"http://127\.0\.0\.1:\d+/v1")


def check_room(room: str, date: str, time: str) -> str:
    """Check whether a room is free.

    Args:
        room: Name of the room.
        date: The day, such as "June 8".
        time: When the meeting begins, such as "2pm".
    """
    return f"The {room} room is free on {date} at {time}."


def reserve_room(room: str, date: str, time: str) -> str:
    """Reserve a room.

    Args:
        room: Name of the room.
        date: The day, such as "June 8".
        time: When the meeting begins, such as "2pm".
    """
    return f"Reserved: {room} room, {date} at {time}."


TOOLS: Final = (check_room, reserve_room)


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where the demo talks to."""

    base_url: str
    api_key: str | None
    model: str
    name: str | None
    title: str


@dataclass
class Request:
    """One create request, as it left, beside what a full replay would have cost."""

    how: str
    why: str
    items: int
    size: int
    naive: int
    gave: str = ""


@dataclass
class Meter:
    """Weighs every create request of one conversation.

    Attributes:
        requests: The requests since `take` was last called.
        history: Everything said so far, as items: what a naive client sends every time.
    """

    requests: list[Request] = field(default_factory=list)
    history: list[Any] = field(default_factory=list)

    def sent(self, content: bytes) -> None:
        """Weigh a request body."""
        body = json.loads(content)
        chained = body.pop("previous_response_id", None) is not None
        items = body["input"]
        why = "the server holds the rest" if chained else "it may not remember"
        if not self.history:
            why = "first turn"
        self.history = [*self.history, *items] if chained else list(items)
        naive = json.dumps({**body, "input": self.history}, separators=(",", ":"))
        how = "delta" if chained else "replay"
        self.requests.append(Request(how, why, len(items), len(content), len(naive.encode())))

    def received(self, content: bytes) -> None:
        """Remember what the server answered."""
        output = _final_response(content).get("output", [])
        self.history += output
        calls = [item["name"] for item in output if item["type"] == "function_call"]
        if self.requests:
            self.requests[-1].gave = ", ".join(calls) or "answer"

    def take(self) -> list[Request]:
        """The requests since the last call."""
        taken, self.requests = self.requests, []
        return taken


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo.

    Raises:
        MissingExtraError: One of the frameworks is not installed.
    """
    if argv:
        sys.stderr.write("demo takes no arguments; set OPENAI_BASE_URL to use your own server\n")
        return 2
    try:
        from rich.console import Console
    except ModuleNotFoundError as error:
        raise MissingExtraError("all", "rich") from error
    console = Console(highlight=False)
    with _server(console) as server:
        try:
            asyncio.run(_both(console, server))
        except Exception as error:
            if not _is_for_people(error):
                raise
            console.print(f"[bold red]{type(error).__name__}[/]: {error}", soft_wrap=True)
            return 1
    return 0


async def _both(console: Console, server: Server) -> None:
    console.print(f"[dim]{server.title}, model {server.model}[/]")
    saved = 0
    for title, converse in (("LangGraph", _langgraph), ("PydanticAI", _pydantic_ai)):
        console.rule(f"[bold]{title}[/]")
        with console.status(f"Loading {title} …"):
            meter = Meter()
            client = _metered_client(meter)
            ask = converse(server, client)
        async with client:
            for prompt in PROMPTS:
                console.print(f"\n[bold cyan]You[/]    {prompt}")
                console.print("[bold green]Agent[/]  ", end="")
                reasons = await ask(prompt, lambda text: console.print(text, end="", markup=False))
                console.print("\n")
                saved += _show(console, meter.take(), reasons)
    console.print(
        f"\n[bold]{saved:,} bytes less[/] than resending the whole conversation with every request"
    )


Ask = Callable[[str, Callable[[str], None]], Awaitable[list[str]]]


def _langgraph(server: Server, client: httpx2.AsyncClient) -> Ask:
    from langchain_core.messages import HumanMessage
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode, tools_condition

    from .langgraph import ResponsesNode

    node = ResponsesNode(
        server.model,
        base_url=server.base_url,
        api_key=server.api_key,
        server=server.name,
        tools=TOOLS,
        http_async_client=client,
    )
    builder = StateGraph(MessagesState)
    builder.add_node("model", node)
    builder.add_node("tools", ToolNode(TOOLS))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    graph = builder.compile(checkpointer=InMemorySaver())

    async def ask(prompt: str, show: Callable[[str], None]) -> list[str]:
        reasons: list[str] = []
        stream = graph.astream(
            {"messages": [HumanMessage(prompt)]},
            {"configurable": {"thread_id": "demo"}},
            stream_mode=["messages", "updates"],
        )
        async for mode, data in cast("AsyncIterator[tuple[str, Any]]", stream):
            if mode == "messages" and data[1].get("langgraph_node") == "model":
                show(data[0].text)
            elif mode == "updates" and "model" in data:
                answers = data["model"]["messages"]
                reasons += [answer.response_metadata["responses"]["why"] for answer in answers]
        return reasons

    return ask


def _pydantic_ai(server: Server, client: httpx2.AsyncClient) -> Ask:
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelMessage

    from .pydantic_ai import ResponsesModel

    model = ResponsesModel(
        server.model,
        base_url=server.base_url,
        api_key=server.api_key,
        server=server.name,
        http_client=client,
    )
    agent = Agent(model, tools=TOOLS)
    history: list[ModelMessage] = []

    async def ask(prompt: str, show: Callable[[str], None]) -> list[str]:
        async with agent.run_stream(prompt, message_history=history) as run:
            async for text in run.stream_text(delta=True):
                show(text)
        history[:] = run.all_messages()
        return []

    return ask


def _show(console: Console, requests: list[Request], reasons: list[str]) -> int:
    """Print what one turn sent; the bytes it saved."""
    from rich.table import Table

    table = Table(
        show_edge=False, pad_edge=False, header_style="dim", box=None, padding=(0, 2, 0, 0)
    )
    for column in ("sent", "because"):
        table.add_column(column)
    for column in ("items", "bytes", "full replay"):
        table.add_column(column, justify="right")
    table.add_column("gave")
    for request, reason in zip_longest(requests, reasons[: len(requests)]):
        table.add_row(
            request.how,
            reason or request.why,
            str(request.items),
            f"{request.size:,}",
            f"{request.naive:,}",
            request.gave,
        )
    console.print(table)
    return sum(request.naive - request.size for request in requests)


@contextlib.contextmanager
def _server(console: Console) -> Iterator[Server]:
    """The server of the environment, or a fake one in a process of its own."""
    environment = os.environ
    model = environment.get("RESPONSES_MODEL")
    if environment.get("OPENAI_BASE_URL") or model:
        address = environment.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        yield Server(
            base_url=address,
            api_key=environment.get("OPENAI_API_KEY"),
            model=model or "gpt-5.2",
            name=environment.get("RESPONSES_SERVER"),
            title=address,
        )
        return
    command = [sys.executable, "-m", "responses_adapters", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None  # noqa: S101
        try:
            with console.status("Starting a fake Responses server …"):
                ready = _READY.search(process.stdout.readline())
            if ready is None:
                raise ResponsesAdapterError(
                    f"the fake server did not start: run  {' '.join(command[1:])}  to see why"
                )
            yield Server(
                base_url=ready[0],
                api_key="fake-key",
                model="fake-model",
                name="openai",
                title=f"Fake server at {ready[0]}",
            )
        finally:
            process.terminate()


def _metered_client(meter: Meter) -> httpx2.AsyncClient:
    import httpx2

    class Tee(httpx2.AsyncByteStream):
        def __init__(self, stream: Any) -> None:
            self._stream = stream
            self._chunks: list[bytes] = []

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in self._stream:
                self._chunks.append(chunk)
                yield chunk

        async def aclose(self) -> None:
            meter.received(b"".join(self._chunks))
            await self._stream.aclose()

    class Metered(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            creates = request.method == "POST" and request.url.path.endswith("/responses")
            if creates:
                meter.sent(request.content)
            response = await super().handle_async_request(request)
            if creates and response.status_code == 200:
                response.stream = Tee(response.stream)
            return response

    return httpx2.AsyncClient(
        transport=Metered(), timeout=120, headers={"accept-encoding": "identity"}
    )


def _final_response(content: bytes) -> dict[str, Any]:
    from .protocol.sse import EventReader

    if content.lstrip().startswith(b"{"):
        found: dict[str, Any] = json.loads(content)
        return found
    responses = [event["response"] for event in EventReader().feed(content) if "response" in event]
    return responses[-1] if responses else {}


def _is_for_people(error: Exception) -> bool:
    """Whether the message alone tells what to do."""
    import openai

    known: tuple[type[Exception], ...] = (ResponsesAdapterError, openai.APIError)
    return isinstance(error, known) or type(error).__module__.startswith("pydantic_ai.")
