"""Measures one contender in a process of its own, and several of them in turns.

Counts (executed bytecodes, bytes) are exact and repeatable on one interpreter. CPU time is `time.process_time` of the
contender's process; contenders take turns in short batches, in an order shuffled every round, so that whatever else
the machine does hits all of them, and a ratio is the median over rounds of the ratio within a round.
"""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from operator import truediv
from pathlib import Path
from statistics import linear_regression, median
from typing import Any, Self

from canned import text_of
from contenders import CONTENDERS, decider

PROMPT = (
    "Turn {}: please tell me what the weather will be like tomorrow in Paris, and what to wear."
)
ROUNDS = 9


class Bench:
    """The canned server and the workers, as long as it is entered."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._workers: dict[str, Worker] = {}

    def __enter__(self) -> Self:
        command = [sys.executable, str(Path(__file__).with_name("canned.py"))]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._stack.enter_context(server)
        self._stack.callback(server.terminate)
        assert server.stdout is not None
        self.address = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.close()
        self._stack.close()

    def start(self, *names: str) -> None:
        """Start the workers of these contenders, side by side."""
        for name in names:
            if (kind := _kind(name)) not in self._workers:
                self._workers[kind] = Worker(name, self.address)

    def ask(self, name: str, operation: str, *args: Any) -> Any:
        """Let one contender do something, and wait for what it says."""
        self.start(name)
        return self._workers[_kind(name)].ask(name, operation, *args)

    def sizes(self) -> list[int]:
        """Body sizes of the requests since the last time, in bytes."""
        with urllib.request.urlopen(f"{self.address}/sizes") as response:
            found: list[int] = json.load(response)
        return found

    def rounds(
        self, names: Sequence[str], operation: str, *args: Any, rounds: int = ROUNDS
    ) -> dict[str, list[Any]]:
        """The answers of each contender, round by round, after one that does not count."""
        self.start(*names)
        for name in names:
            self.ask(name, operation, *args)
        said: dict[str, list[Any]] = {name: [] for name in names}
        for _ in range(rounds):
            for name in random.sample(names, len(names)):
                said[name].append(self.ask(name, operation, *args))
        return said


def _kind(name: str) -> str:
    """Contenders that differ in an option live in one process."""
    return name.partition(",")[0]


class Worker:
    """A process that holds contenders of one kind."""

    def __init__(self, name: str, address: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, end = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(end, name, address), daemon=True)
        self._process.start()
        end.close()

    def ask(self, name: str, operation: str, *args: Any) -> Any:
        self._pipe.send((name, operation, args))
        try:
            failure, said = self._pipe.recv()
        except EOFError:
            raise RuntimeError(f"{name} died while it was asked to {operation}") from None
        if failure:
            raise RuntimeError(f"{name} could not {operation}: {failure}")
        return said

    def close(self) -> None:
        self._pipe.close()
        self._process.join(5)
        self._process.kill()


def _serve(pipe: Connection, first: str, address: str) -> None:
    with asyncio.Runner() as runner:
        subjects = {first: _Subject(first, address, runner)}
        while True:
            try:
                name, operation, args = pipe.recv()
            except EOFError:
                return
            if name not in subjects:
                subjects[name] = _Subject(name, address, runner)
            try:
                pipe.send((None, getattr(subjects[name], operation)(*args)))
            except Exception as error:  # noqa: BLE001 - told to whoever asked
                pipe.send((f"{type(error).__name__}: {error}", None))


class _Subject:
    """What can be asked of a contender; runs in its own process."""

    def __init__(self, name: str, address: str, runner: asyncio.Runner) -> None:
        self._make = CONTENDERS[name]
        self._address = address
        self._run = runner.run
        self._made: dict[str, Any] = {}
        self._threads: dict[int, Any] = {}
        self._at(20)  # imports what it needs

    def _at(self, deltas: int, calls: int = 0) -> Any:
        scenario = f"{deltas}-{calls}"
        if scenario not in self._made:
            self._made[scenario] = self._make(f"{self._address}/{scenario}/v1")
        return self._made[scenario]

    def _operation(self, kind: str, size: int) -> tuple[Callable[[str], Any], Any]:
        """An operation, and what it has to return."""
        if kind == "turn":
            return self._at(size).turn, text_of(size)
        if kind == "stream":
            stream = self._at(size).stream
            return lambda prompt: stream(prompt, lambda: None), size
        return self._at(20, size).loop, size

    def spend(self, kind: str, size: int, times: int) -> float:
        """CPU microseconds of one operation."""
        operation, wanted = self._operation(kind, size)

        async def repeat() -> None:
            for number in range(times):
                assert (said := await operation(PROMPT.format(number))) == wanted, said

        settle()
        start = time.process_time()
        self._run(repeat())
        return (time.process_time() - start) / times * 1e6

    def count(self, kind: str, size: int) -> int:
        """Bytecodes that one operation executes, once everything is warm."""
        operation, _ = self._operation(kind, size)
        for number in range(3):
            self._run(operation(PROMPT.format(number)))
        with counting_bytecodes() as counted:
            self._run(operation(PROMPT.format(0)))
        return counted()

    def thread(self, turns: int) -> list[float]:
        """CPU microseconds of each turn of a new thread."""
        contender = self._at(20)
        thread, spent = contender.open(), []
        settle()
        for number in range(turns):
            start = time.process_time()
            self._run(contender.say(thread, PROMPT.format(number)))
            spent.append((time.process_time() - start) * 1e6)
        return spent

    def _thread_of(self, turns: int) -> Any:
        """A thread that has so many turns, made once."""
        if turns not in self._threads:
            contender = self._at(20)
            thread = self._threads[turns] = contender.open()
            for number in range(turns):
                self._run(contender.say(thread, PROMPT.format(number)))
        return self._threads[turns]

    def again(self, turns: int, times: int) -> float:
        """CPU microseconds of one more turn of a thread that has so many."""
        contender, long = self._at(20), self._thread_of(turns)
        spent = 0.0
        for _ in range(times):
            thread = list(long)
            start = time.process_time()
            self._run(contender.say(thread, PROMPT.format(turns)))
            spent += time.process_time() - start
        return spent / times * 1e6

    def decide(self, turns: int, times: int) -> tuple[float, float]:
        """CPU microseconds of what is decided about one more turn, and of that whole turn."""
        decide = decider(self._at(20), self._thread_of(turns))
        decide()
        start = time.process_time()
        for _ in range(times):
            decide()
        own = (time.process_time() - start) / times * 1e6
        return own, self.again(turns, times)

    def crowd(self, threads: int, turns: int) -> float:
        """Turns per second of concurrent threads on one event loop."""
        contender = self._at(20)

        async def one() -> None:
            thread = contender.open()
            for number in range(turns):
                await contender.say(thread, PROMPT.format(number))

        async def all_of_them() -> None:
            await asyncio.gather(*(one() for _ in range(threads)))

        gc.collect()
        start = time.perf_counter()
        self._run(all_of_them())
        return threads * turns / (time.perf_counter() - start)

    def remember(self, turns: int) -> tuple[list[int], int]:
        """Memory blocks after each tenth of so many turns whose messages are all kept, and after they are dropped."""
        contender, threads, blocks = self._at(20), [], []
        for number in range(turns + turns // 10):  # the first tenth warms up
            if number % 10 == 0:
                threads.append(contender.open())
            self._run(contender.say(threads[-1], PROMPT.format(number)))
            if (number + 1) % (turns // 10) == 0:
                gc.collect()
                blocks.append(sys.getallocatedblocks())
        del threads[turns // 100 :]
        gc.collect()
        return blocks, sys.getallocatedblocks()

    def read_ahead(self, deltas: int) -> int:
        """Events of a buffered stream that are read before its first delta arrives."""
        from responses_adapters.protocol.sse import EventReader

        read, seen, feed = 0, [], EventReader.feed

        def counting(reader: Any, data: bytes) -> list[Any]:
            nonlocal read
            events = feed(reader, data)
            read += len(events)
            return events

        EventReader.feed = counting  # type: ignore[method-assign]
        self._run(self._at(deltas).stream(PROMPT, lambda: seen.append(read)))
        EventReader.feed = feed  # type: ignore[method-assign]
        return seen[0]


def settle() -> None:
    """Let no collection of garbage look at what earlier rounds left."""
    gc.collect()
    gc.freeze()


@contextmanager
def counting_bytecodes() -> Iterator[Callable[[], int]]:
    """Count what the interpreter executes meanwhile, in every thread; the function tells how much it was."""
    count = 0
    if sys.version_info >= (3, 12):
        monitoring, tool = sys.monitoring, sys.monitoring.PROFILER_ID

        def hit(*_: object) -> None:
            nonlocal count
            count += 1

        monitoring.use_tool_id(tool, "bench")
        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, hit)
        monitoring.set_events(tool, monitoring.events.INSTRUCTION)
        try:
            yield lambda: count
        finally:
            monitoring.set_events(tool, 0)
            monitoring.free_tool_id(tool)
        return

    def trace(frame: Any, event: str, _: object) -> Any:
        nonlocal count
        if event == "opcode":
            count += 1
        elif event == "call":
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        return trace

    threading.settrace(trace)
    sys.settrace(trace)
    try:
        yield lambda: count
    finally:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios within each round."""
    return median(map(truediv, ours, theirs))


def bend(values: Sequence[float]) -> float:
    """How far the values leave a straight line, as a share of what they grow by."""
    line = linear_regression(range(len(values)), values)
    off = max(abs(v - line.slope * i - line.intercept) for i, v in enumerate(values))
    return off / (values[-1] - values[0])


def slope(values: Sequence[float]) -> float:
    """How much each value adds to the one before, on average."""
    return linear_regression(range(len(values)), values).slope


def quiet() -> None:
    """Drop from the environment what changes what is measured: coverage, proxies, telemetry, settings of the user's."""
    noisy = ("COV", "OPENAI", "LANG", "HTTP_", "HTTPS_", "ALL_", "PYTHON", "LOGFIRE", "OTEL")
    for name in [name for name in os.environ if name.upper().startswith(noisy)]:
        del os.environ[name]
    os.environ |= {"PYTHONHASHSEED": "0", "NO_PROXY": "127.0.0.1"}
