"""Many conversations at once for a long time, on a server that goes wrong: none may be lost, nothing may grow.

Run: python tests/campaigns/soak.py langgraph --seconds 600 --json build/soak_langgraph.json

The server is a process of its own. Each thread talks for three turns, is compared word by word with what the model
has read, and makes room for the next.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import resource
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any, Final
from urllib.request import urlopen

import openai
import psutil
from witness import book, flaws, graph_texts, history_texts, question

from responses_adapters.errors import ResponsesAdapterError

TURNS: Final = 3
LEFT: Final = ("files left", "tasks left", "threads left")
LONG: Final = 300.0
"""Seconds of a run from which its memory can be judged."""

MOST_GROWTH: Final = 2.0
"""Megabytes a minute that are noise."""

ATTEMPTS: Final = 30
PATIENCE: Final = 600.0
"""Seconds that threads are given to finish once the time is up."""


class Room(ABC):
    """One framework's way to hold conversations.

    Attributes:
        typed: Errors that users are told to expect.
    """

    typed: tuple[type[Exception], ...]

    @abstractmethod
    async def ask(self, thread: int, turn: int) -> None:
        """Take a turn, or go on with one that failed."""

    @abstractmethod
    async def forget(self, thread: int) -> list[str]:
        """The texts of a finished conversation, which is not needed any more."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything."""


class GraphRoom(Room):
    """LangGraph: a third of the threads streams, a third runs in the background."""

    typed = (ResponsesAdapterError, openai.APIError)

    def __init__(self, base_url: str, *, timeout: float) -> None:
        from langgraph.checkpoint.memory import InMemorySaver
        from langgraph.graph import START, MessagesState, StateGraph
        from langgraph.prebuilt import ToolNode, tools_condition

        from responses_adapters.langgraph import Background, ResponsesNode

        def graph(background: Any) -> Any:
            node = ResponsesNode(
                "m",
                server="openai",
                base_url=base_url,
                api_key="sk-x",
                tools=[book],
                timeout=timeout,
                background=background,
            )
            builder = StateGraph(MessagesState)
            builder.add_node("model", node)
            builder.add_node("tools", ToolNode([book]))
            builder.add_edge(START, "model")
            builder.add_conditional_edges("model", tools_condition)
            builder.add_edge("tools", "model")
            return builder.compile(checkpointer=self._saver)

        self._saver = InMemorySaver()
        self._plain = graph(False)
        self._background = graph(Background(poll_interval=1.0))

    async def ask(self, thread: int, turn: int) -> None:
        from langchain_core.messages import HumanMessage

        graph, config = self._graph(thread), self._config(thread)
        asked = HumanMessage(question(thread, turn), id=f"{thread}-{turn}")
        state = await graph.aget_state(config)
        is_in = any(each.id == asked.id for each in state.values.get("messages", ()))
        if is_in and not state.next:
            return
        update = None if is_in else {"messages": [asked]}
        if thread % 3:
            await graph.ainvoke(update, config)
        else:
            async for _ in graph.astream(update, config, stream_mode="messages"):
                pass

    async def forget(self, thread: int) -> list[str]:
        state = await self._graph(thread).aget_state(self._config(thread))
        await self._saver.adelete_thread(f"{thread}")
        return graph_texts(state.values["messages"])

    async def close(self) -> None:
        del self._plain, self._background, self._saver

    def _graph(self, thread: int) -> Any:
        return self._background if thread % 3 == 1 else self._plain

    def _config(self, thread: int) -> Any:
        return {"configurable": {"thread_id": f"{thread}"}}


class AgentRoom(Room):
    """PydanticAI: a third of the threads streams, a third runs in the background."""

    def __init__(self, base_url: str, *, timeout: float) -> None:
        from pydantic_ai import Agent
        from pydantic_ai.exceptions import ModelAPIError, SuspendedResponseExpired

        from responses_adapters.pydantic_ai import ResponsesModel, ResponsesModelSettings

        self.typed = (
            ResponsesAdapterError,
            openai.APIError,
            ModelAPIError,
            SuspendedResponseExpired,
        )
        self._model = ResponsesModel("m", server="openai", base_url=base_url, api_key="sk-x")
        settings = ResponsesModelSettings(timeout=timeout)
        self._agent: Any = Agent(self._model, tools=[book], model_settings=settings)
        self._in_background = ResponsesModelSettings(
            openai_background=True, responses_poll_interval=1.0
        )
        self._histories: dict[int, list[Any]] = {}

    async def ask(self, thread: int, turn: int) -> None:
        told = {"message_history": self._histories.get(thread, [])}
        if thread % 3 == 1:
            told["model_settings"] = self._in_background
        if thread % 3:
            result = await self._agent.run(question(thread, turn), **told)
        else:
            async with self._agent.run_stream(question(thread, turn), **told) as result:
                await result.get_output()
        self._histories[thread] = result.all_messages()

    async def forget(self, thread: int) -> list[str]:
        return history_texts(self._histories.pop(thread))

    async def close(self) -> None:
        await self._model.client.close()


@dataclass
class Tally:
    """What has happened so far."""

    turns: int = 0
    conversations: int = 0
    flaws: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    untyped: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0


@dataclass(frozen=True)
class Sample:
    """What the process holds at one moment."""

    second: float
    memory: float
    blocks: int
    files: int
    tasks: int
    threads: int
    server: float

    @classmethod
    def now(cls, begun: float, server: psutil.Process) -> Sample:
        process = psutil.Process()
        return cls(
            second=time.monotonic() - begun,
            memory=process.memory_info().rss / 2**20,
            blocks=sys.getallocatedblocks(),
            files=process.num_fds(),
            tasks=len(asyncio.all_tasks()),
            threads=threading.active_count(),
            server=server.memory_info().rss / 2**20,
        )


async def converse(room: Room, tally: Tally, numbers: Iterator[int], until: float) -> None:
    """One conversation after the other, until the time is up; the turn that is then under way is finished."""
    while time.monotonic() < until:
        thread, turns = next(numbers), 0
        while turns < TURNS and time.monotonic() < until:
            begun = time.monotonic()
            if not await _is_answered(room, tally, thread, turns):
                tally.flaws.append(f"thread {thread}, turn {turns}: lost after {ATTEMPTS} attempts")
                return
            tally.slowest = max(tally.slowest, time.monotonic() - begun)
            turns += 1
        tally.turns += turns
        if turns:
            tally.flaws += flaws(thread, turns, await room.forget(thread))
            tally.conversations += 1


async def _is_answered(room: Room, tally: Tally, thread: int, turn: int) -> bool:
    for _ in range(ATTEMPTS):
        try:
            await room.ask(thread, turn)
        except room.typed as error:
            tally.errors[type(error).__name__] += 1
        except Exception as error:  # noqa: BLE001 - what users are not told to expect is counted as a flaw
            tally.untyped[f"{type(error).__name__}: {error}"[:200]] += 1
        else:
            return True
        await asyncio.sleep(0.2)
    return False


async def soak(kind: str, base_url: str, server: psutil.Process, plan: Plan) -> dict[str, Any]:
    """Hold conversations for a time, and compare what is left with what was there before."""
    tally, samples, numbers = Tally(), [], itertools.count()
    gc.collect()
    before = Sample.now(time.monotonic(), server)
    room = ROOMS[kind](base_url, timeout=plan.timeout)
    begun = time.monotonic()
    until = begun + plan.seconds
    crowd = [
        asyncio.create_task(converse(room, tally, numbers, until)) for _ in range(plan.threads)
    ]
    while time.monotonic() < until:
        await asyncio.sleep(1)
        samples.append(Sample.now(begun, server))
    _, stuck = await asyncio.wait(crowd, timeout=PATIENCE)
    tally.flaws += [f"a thread is stuck in {task.get_coro()}" for task in stuck]
    for task in crowd:
        task.cancel()
    failed = await asyncio.gather(*crowd, return_exceptions=True)
    tally.flaws += [repr(each) for each in failed if isinstance(each, Exception)]
    await room.close()
    del room, crowd, failed  # a cancelled thread still holds what it held
    gc.collect()
    await asyncio.sleep(1)
    after = Sample.now(begun, server)
    warm = samples[len(samples) // 2 :]
    return {
        "room": kind,
        "threads": plan.threads,
        "seconds": plan.seconds,
        "turns": tally.turns,
        "conversations": tally.conversations,
        "flaws": tally.flaws[:20],
        "errors": dict(tally.errors.most_common()),
        "untyped errors": dict(tally.untyped.most_common(20)),
        "slowest turn in s": round(tally.slowest, 1),
        "memory in MB": round(mean(each.memory for each in warm), 1),
        "memory in MB a minute": _slope(warm, "memory"),
        "blocks a minute in %": round(
            _slope(warm, "blocks") / mean(each.blocks for each in warm) * 100, 2
        ),
        "server's memory in MB a minute": _slope(warm, "server"),
        "most files": max(each.files for each in samples),
        "most tasks": max(each.tasks for each in samples),
        "files left": after.files - before.files,
        "tasks left": after.tasks - before.tasks,
        "samples": [[round(value, 1) for value in astuple(each)] for each in samples[::10]],
    }


def complaints(figures: dict[str, Any]) -> list[str]:
    """What must not be: lost or wrong turns, errors that nobody is told to expect, anything left over or growing."""
    found = [*figures["flaws"], *figures["untyped errors"]]
    found += [f"{name}: {figures[name]}" for name in LEFT if figures[name]]
    if figures["seconds"] >= LONG and figures["memory in MB a minute"] > MOST_GROWTH:
        found.append(f"memory grows by {figures['memory in MB a minute']} MB a minute")
    return found


def _slope(samples: list[Sample], name: str) -> float:
    """Growth a minute: the median of all slopes between two samples, on which a single burst has no weight."""
    points = [(each.second, float(getattr(each, name))) for each in samples]
    slopes = (
        (new - old) / (later - before)
        for (before, old), (later, new) in itertools.combinations(points, 2)
    )
    return round(median(slopes) * 60, 2)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How it is run.

    Attributes:
        threads: Conversations at a time.
        seconds: How long new ones are begun.
        timeout: Seconds of silence until a request counts as lost.
    """

    threads: int
    seconds: float
    timeout: float


ROOMS: Final[dict[str, Callable[..., Room]]] = {"langgraph": GraphRoom, "pydantic_ai": AgentRoom}


def main() -> None:
    parser = argparse.ArgumentParser(description="conversations on a server that goes wrong")
    parser.add_argument("room", choices=ROOMS)
    parser.add_argument("--threads", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument(
        "--timeout", type=float, default=120, help="seconds until silence counts as loss"
    )
    parser.add_argument("--rate", default="0.01", help="share of requests hit by each fault")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))
    command = [sys.executable, str(Path(__file__).with_name("faulty.py")), given.rate]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        base_url = server.stdout.readline().strip()
        try:
            plan = Plan(threads=given.threads, seconds=given.seconds, timeout=given.timeout)
            figures = asyncio.run(soak(given.room, base_url, psutil.Process(server.pid), plan))
            figures["threads left"] = threading.active_count() - 1
            with urlopen(base_url.removesuffix("/v1")) as told:
                figures |= json.load(told)
        finally:
            server.kill()
    print(json.dumps({**figures, "samples": len(figures["samples"])}, indent=2))
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    if found := complaints(figures):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
