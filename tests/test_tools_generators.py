from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from responses_adapters.tools import Toolbox

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 8


async def answer(tool: Any, **options: Any) -> Any:
    call = {"type": "function_call", "call_id": "c1", "name": tool.__name__, "arguments": "{}"}
    (item,) = await Toolbox([tool], **options).execute([call])
    return item["output"]


def rows() -> Iterator[Any]:
    yield {"id": 1}
    yield {"id": 2}


async def rows_later() -> AsyncIterator[Any]:
    yield {"id": 1}
    yield {"id": 2}


async def rows_in_the_end() -> Iterator[Any]:
    return rows()


@pytest.mark.parametrize("tool", [rows, rows_later, rows_in_the_end])
async def test_what_a_tool_yields_is_a_list(tool: Any):
    assert await answer(tool) == '[{"id":1},{"id":2}]'


async def test_parts_that_a_tool_yields_stay_parts():
    def pages() -> Iterator[Any]:
        yield "page 1"
        yield PNG

    assert [part["type"] for part in await answer(pages)] == ["input_text", "input_image"]


async def test_a_generator_that_fails_half_way_is_a_failure():
    def broken() -> Iterator[Any]:
        yield 1
        raise ValueError("connection lost")

    async def broken_later() -> AsyncIterator[Any]:
        yield 1
        raise ValueError("connection lost")

    assert await answer(broken) == "broken failed (ValueError)."
    assert await answer(broken_later) == "broken_later failed (ValueError)."


async def test_a_generator_blocks_neither_the_loop_nor_the_clock_and_is_left_after_a_time_out():
    loop_runs, ended = threading.Event(), threading.Event()

    def endless() -> Iterator[Any]:
        try:
            assert loop_runs.wait(5)
            while True:
                yield 1
        finally:
            ended.set()

    async def endless_later() -> AsyncIterator[Any]:
        while True:
            yield 1
            await asyncio.sleep(0)

    asyncio.get_running_loop().call_later(0.01, loop_runs.set)

    assert await answer(endless, timeout=0.1) == "endless did not finish within 0.1 seconds."
    assert await asyncio.to_thread(ended.wait, 5)
    assert await answer(endless_later, timeout=0.1) == (
        "endless_later did not finish within 0.1 seconds."
    )
