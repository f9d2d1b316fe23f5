from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import datetime
import decimal
import json
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from responses_adapters.tools import Toolbox, ToolContext, ToolError

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 8


def call(name: str, arguments: Any = "{}", call_id: str = "c1", **rest: Any) -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": text, **rest}


async def answer(tool: Any, arguments: Any = "{}", **options: Any) -> Any:
    (item,) = await Toolbox([tool], **options).execute([call(tool.__name__, arguments)])
    return item["output"]


async def test_thirty_two_blocking_tools_run_eight_at_a_time_in_four_waves():
    running, peak, waves = 0, 0, []
    lock, gate = threading.Lock(), threading.Barrier(8)

    def work(index: int) -> int:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
        arrived = gate.wait(timeout=30)  # opens only when eight have come
        if arrived == 0:
            waves.append(index)
        with lock:
            running -= 1
        gate.wait(timeout=30)
        return index

    box = Toolbox([work], max_parallel=8)
    outputs = await box.execute([call("work", {"index": i}, f"c{i}") for i in range(32)])

    assert [item["output"] for item in outputs] == [str(i) for i in range(32)]
    assert peak == 8
    assert len(waves) == 4


async def test_async_tools_share_the_same_bound():
    running, peak = 0, 0

    async def work() -> str:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0)
        running -= 1
        return "done"

    await Toolbox([work], max_parallel=3).execute(
        [call("work", call_id=f"c{i}") for i in range(10)]
    )

    assert peak == 3


async def test_outputs_keep_the_order_of_the_calls_when_the_first_is_last():
    first_may_end = asyncio.Event()

    async def work(index: int) -> int:
        if index == 0:
            await first_may_end.wait()
        else:
            first_may_end.set()
        return index

    outputs = await Toolbox([work]).execute([call("work", {"index": i}, f"c{i}") for i in range(2)])

    assert [item["output"] for item in outputs] == ["0", "1"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("{", "the arguments are not valid JSON"),
        ("[1]", "the arguments must be a JSON object, not list"),
        ('{"n": NaN}', "NaN is not JSON"),
        ('{"n": "many"}', "n: Input should be a valid integer"),
        ('{"n": 1, "m": 2}', "m: there is no such argument"),
        ("{}", "n: Field required"),
    ],
)
async def test_arguments_that_do_not_fit_are_answered_and_the_tool_does_not_run(
    arguments: str, words: str
):
    ran = []

    def count(n: int) -> None:
        ran.append(n)

    output = await answer(count, arguments)

    assert output.startswith("count was not run: ")
    assert words in output
    assert ran == []


async def test_an_unknown_tool_is_answered_with_the_names_there_are():
    def search() -> None: ...

    (item,) = await Toolbox([search]).execute([call("serach")])

    assert item["output"] == (
        "serach was not run: there is no tool 'serach'; the tools are: search"
    )


async def test_an_exceptions_message_stays_here_and_is_logged(caplog: pytest.LogCaptureFixture):
    def connect() -> None:
        raise ConnectionError("postgres://user:secret@host")

    assert await answer(connect) == "connect failed (ConnectionError)."
    assert "tool connect failed" in caplog.text


async def test_a_tool_error_speaks_to_the_model():
    def book() -> None:
        raise ToolError("The room is taken; try Cedar.")

    assert await answer(book) == "The room is taken; try Cedar."


async def test_on_error_chooses_the_words_or_leaves_them():
    def book() -> None:
        raise ValueError("taken")

    assert await answer(book, on_error=lambda error, _: f"sorry: {error}") == "sorry: taken"
    assert await answer(book, on_error=lambda _, __: None) == "book failed (ValueError)."


async def test_one_failing_tool_leaves_its_siblings_alone():
    def fail() -> None:
        raise RuntimeError

    def work() -> str:
        return "fine"

    outputs = await Toolbox([fail, work]).execute([call("fail"), call("work", call_id="c2")])

    assert [item["output"] for item in outputs] == ["fail failed (RuntimeError).", "fine"]


async def test_a_slow_tool_is_answered_at_its_time_out_and_its_thread_is_let_go():
    release = threading.Event()

    def slow() -> str:
        release.wait(timeout=30)
        return "too late"

    try:
        assert await answer(slow, timeout=0.05) == "slow did not finish within 0.05 seconds."
    finally:
        release.set()


async def test_a_tools_own_time_out_is_a_failure_of_the_tool():
    def fetch() -> None:
        raise TimeoutError("the database")

    assert await answer(fetch, timeout=60) == "fetch failed (TimeoutError)."


async def test_a_repeated_call_runs_once_and_is_answered_each_time():
    ran = []

    def pay(amount: int) -> str:
        ran.append(amount)
        return f"paid {amount}"

    calls = [call("pay", '{"amount": 1}', "c1"), call("pay", '{"amount":1}', "c1")]
    outputs = await Toolbox([pay]).execute(calls)

    assert [item["output"] for item in outputs] == ["paid 1", "paid 1"]
    assert ran == [1]


async def test_a_call_id_used_for_another_call_does_not_run_it():
    ran = []

    def pay(amount: int) -> str:
        ran.append(amount)
        return f"paid {amount}"

    output = [call("pay", {"amount": 1}, "c1"), call("pay", {"amount": 2}, "c1")]
    outputs = await Toolbox([pay]).execute(output)

    assert outputs[1]["output"].startswith("This call_id was already used")
    assert ran == [1]


async def test_a_call_without_call_id_is_answered_by_its_item_id():
    def ping() -> str:
        return "pong"

    outputs = await Toolbox([ping]).execute([call("ping", call_id="", id="fc_7")])

    assert outputs == [{"type": "function_call_output", "call_id": "fc_7", "output": "pong"}]


async def test_a_call_without_any_id_does_not_run():
    ran = []

    def ping() -> None:
        ran.append(1)

    (item,) = await Toolbox([ping]).execute([call("ping", call_id="")])

    assert item["output"] == "The call has no call_id, so it was not run."
    assert ran == []


async def test_the_sdks_objects_are_read_like_dicts():
    def ping() -> str:
        return "pong"

    item = SimpleNamespace(type="function_call", call_id="c1", name="ping", arguments="{}")

    (output,) = await Toolbox([ping]).execute([SimpleNamespace(type="message"), item])

    assert output["output"] == "pong"


async def test_cancelling_execute_cancels_its_tools():
    started, cancelled = asyncio.Event(), []

    async def wait() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    task = asyncio.ensure_future(Toolbox([wait]).execute([call("wait")]))
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled == [1]


async def test_a_tool_that_cancels_itself_is_answered():
    async def wait() -> None:
        raise asyncio.CancelledError

    assert await answer(wait) == "wait was cancelled."


def test_leaving_the_program_is_not_an_answer():
    async def leave() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Toolbox([leave]).execute_sync([call("leave")])


async def test_what_is_no_exception_ends_the_siblings_too():
    class Stop(BaseException):
        pass

    started, cancelled = asyncio.Event(), []

    async def stop() -> None:
        await started.wait()
        raise Stop

    async def wait() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    box = Toolbox([stop, wait])
    with pytest.raises(Stop):
        await asyncio.wait_for(box.execute([call("stop"), call("wait", call_id="c2")]), timeout=20)
    assert cancelled == [1]


async def test_context_variables_reach_worker_threads():
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user")
    user.set("ann")

    def who() -> str:
        return user.get()

    assert await answer(who) == "ann"


async def test_a_tool_context_parameter_is_filled_and_never_shown():
    def whose(item: str, context: ToolContext[dict[str, str]]) -> str:
        return f"{item} of {context.value['user']} in {context.call_id} of {context.name}"

    box = Toolbox([whose])
    (item,) = await box.execute([call("whose", {"item": "hat"})], context={"user": "ann"})

    assert item["output"] == "hat of ann in c1 of whose"
    assert list(box.definitions[0]["parameters"]["properties"]) == ["item"]


def test_execute_sync_runs_without_a_loop():
    async def ping() -> str:
        return "pong"

    assert Toolbox([ping]).execute_sync([call("ping")])[0]["output"] == "pong"


async def test_execute_sync_runs_inside_a_running_loop_with_its_context_variables():
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user")
    user.set("ann")

    def who() -> str:
        return user.get()

    assert Toolbox([who]).execute_sync([call("who")])[0]["output"] == "ann"


class Room(BaseModel):
    name: str
    since: datetime.date


@dataclasses.dataclass
class Price:
    amount: decimal.Decimal


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("result", "output"),
    [
        ("text", "text"),
        (None, "null"),
        (7, "7"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        (
            Room(name="Birch", since=datetime.date(2026, 6, 8)),
            '{"name":"Birch","since":"2026-06-08"}',
        ),
        (Price(decimal.Decimal("1.50")), '{"amount":"1.50"}'),
        (datetime.datetime(2026, 6, 8, 14), '"2026-06-08T14:00:00"'),
        ({"s": {1}}, '{"s":[1]}'),
        (b"bytes", "bytes"),
        (b"\xff\xfe", "//4="),
        (float("nan"), '"NaN"'),
        (CYCLE, "[[...]]"),
        (SimpleNamespace(a=1), '"namespace(a=1)"'),
        ("a\ud800b", "a?b"),
        (
            {"type": "input_image", "image_url": "https://x/y.png"},
            [{"type": "input_image", "image_url": "https://x/y.png"}],
        ),
        (
            ["see", PNG],
            [
                {"type": "input_text", "text": "see"},
                {
                    "type": "input_image",
                    "image_url": "data:image/png;base64,iVBORw0KGgoAAAAAAAAAAA==",
                },
            ],
        ),
        (
            b"%PDF-1.7",
            [
                {
                    "type": "input_file",
                    "filename": "file.pdf",
                    "file_data": "data:application/pdf;base64,JVBERi0xLjc=",
                }
            ],
        ),
    ],
    ids=ascii,
)
async def test_results_of_every_kind_become_output(result: Any, output: Any):
    def give() -> Any:
        return result

    assert await answer(give) == output


async def test_long_text_is_cut_at_characters_not_bytes():
    def read() -> str:
        return "ü" * 1_000

    output = await answer(read, max_output_chars=100)

    assert len(output) == 100
    assert output.endswith("… [cut: 1,000 characters]")
    assert output.startswith("üüü")


async def test_text_parts_share_one_cap_and_images_stay_whole():
    def read() -> Any:
        return ["x" * 90, PNG, "y" * 90, "z"]

    note = "… [cut: 181 characters]"

    def text(content: str) -> dict[str, str]:
        return {"type": "input_text", "text": content}

    first, image, *rest = await answer(read, max_output_chars=150)
    assert (first, image["type"]) == (text("x" * 90), "input_image")
    assert rest == [text("y" * 37 + note)]

    first, image, *rest = await answer(read, max_output_chars=100)
    assert (first, image["type"]) == (text("x" * 77 + note), "input_image")
    assert rest == []

    assert (await answer(read, max_output_chars=113))[-1] == text(note)
    assert (await answer(read, max_output_chars=181))[-1] == text("z")


async def test_a_declined_call_does_not_run_and_says_so():
    ran = []

    def delete(path: str) -> None:
        ran.append(path)

    asked = []

    async def approve(call: Any, arguments: dict[str, Any]) -> bool | str:
        asked.append((call.name, arguments))
        return "not on Fridays" if arguments["path"] == "/b" else False

    box = Toolbox([delete], approve=approve)
    outputs = await box.execute(
        [call("delete", {"path": "/a"}, "c1"), call("delete", {"path": "/b"}, "c2")]
    )

    assert [item["output"] for item in outputs] == [
        "The call was declined by the user.",
        "The call was declined: not on Fridays",
    ]
    assert asked == [("delete", {"path": "/a"}), ("delete", {"path": "/b"})]
    assert ran == []


async def test_a_definition_without_a_function_says_what_is_missing():
    box = Toolbox([{"type": "function", "name": "f", "parameters": {}}])

    (item,) = await box.execute([call("f")])

    assert item["output"] == "f has no function here: pass handlers="


async def test_a_blocking_tool_does_not_block_the_loop():
    ticks = 0

    def slow() -> None:
        time.sleep(0.2)

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.ensure_future(tick())
    await Toolbox([slow]).execute([call("slow")])
    ticking.cancel()

    assert ticks > 2


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("error", [StopIteration, SystemExit])
async def test_a_tool_that_stops_or_exits_fails_its_own_call_alone(
    error: type[BaseException], is_async: bool
):
    def stop() -> None:
        raise error

    async def stop_later() -> None:
        raise error

    output = await asyncio.wait_for(answer(stop_later if is_async else stop), 5)

    assert output.endswith(" failed (RuntimeError).")
