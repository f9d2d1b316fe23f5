from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import (
    Agent,
    BinaryContent,
    DocumentUrl,
    ImageUrl,
    ModelRetry,
    RunContext,
    RunUsage,
    Tool,
    ToolReturn,
)
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import FunctionToolset

from responses_adapters.testing import Backend
from responses_adapters.tools import (
    Toolbox,
    ToolContext,
    ToolConversionError,
    ToolError,
    to_responses_tool,
)
from responses_adapters.tools.pydantic_ai import load_toolset


def balance(ctx: RunContext[str], account: str, pending: bool = False) -> str:
    """The balance.

    Args:
        ctx: The run.
        account: Which account.
        pending: Count what is pending.
    """
    if account == "none":
        raise ModelRetry("there is no such account")
    return f"{ctx.deps} {account} {pending} {ctx.tool_call_id}"


def call(name: str, arguments: str, call_id: str = "c1") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


async def answer(tools: list[Any], name: str, arguments: str, context: Any = None) -> Any:
    (item,) = await Toolbox(tools).execute([call(name, arguments)], context=context)
    return item["output"]


def test_the_run_context_is_never_shown_and_optionals_stay_omittable():
    made = to_responses_tool(Tool(balance))

    assert list(made["parameters"]["properties"]) == ["account", "pending"]
    assert made["parameters"]["properties"]["pending"]["type"] == ["boolean", "null"]
    assert made["strict"] is True


def test_a_tools_own_word_on_strict_mode_holds():
    assert to_responses_tool(Tool(balance, strict=False))["strict"] is False


async def test_running_passes_the_dependencies():
    assert await answer([Tool(balance)], "balance", '{"account": "a", "pending": null}', "ann") == (
        "ann a False c1"
    )


async def test_running_validates_and_lets_the_tool_ask_again():
    tools = [Tool(balance)]

    assert await answer(tools, "balance", '{"account": "none"}') == "there is no such account"
    assert (await answer(tools, "balance", '{"account": 1}')).startswith(
        "balance was not run: account"
    )


class Booking(BaseModel, strict=True):
    day: datetime.date


async def test_arguments_are_validated_as_the_json_that_they_are():
    def book(booking: Booking, seats: int) -> str:
        return f"booked {booking.day} for {seats}"

    arguments = '{"booking": {"day": "2026-01-02"}, "seats": 4}'

    assert await answer([Tool(book)], "book", arguments) == "booked 2026-01-02 for 4"


async def test_a_function_toolset_gives_each_of_its_tools():
    toolset: FunctionToolset[str] = FunctionToolset([balance])

    @toolset.tool_plain
    def ping() -> str:
        """Ping."""
        return "pong"

    assert [d["name"] for d in Toolbox([toolset]).definitions] == ["balance", "ping"]
    assert await answer([toolset], "ping", "{}") == "pong"


async def test_a_toolset_that_must_be_asked_is_loaded():
    toolset: Any = FunctionToolset([balance]).prefixed("bank")

    with pytest.raises(ToolConversionError, match="load_toolset"):
        Toolbox([toolset])
    sources = await load_toolset(toolset, context="ann")

    assert await answer(sources, "bank_balance", '{"account": "a"}', "ann") == "ann a False c1"


def test_a_bare_definition_has_no_function():
    definition = ToolDefinition(
        name="find", parameters_json_schema={"type": "object", "properties": {}}
    )

    assert to_responses_tool(definition)["name"] == "find"
    assert Toolbox([replace(definition, name="seek")])["seek"].source.run is None


async def test_files_and_rich_returns_become_parts():
    def see() -> Any:
        return ToolReturn(
            [ImageUrl("https://x/y.png"), BinaryContent(b"x", media_type="image/png")]
        )

    assert await answer([Tool(see)], "see", "{}") == [
        {"type": "input_image", "image_url": "https://x/y.png"},
        {"type": "input_image", "image_url": "data:image/png;base64,eA=="},
    ]


async def test_any_tool_reaches_an_agent_and_decodes_inside():
    seen: list[dict[str, Any]] = []

    def add(context: ToolContext[RunContext[str]], a: int, b: int = 1) -> str:
        """Add."""
        seen.append({"a": a, "b": b, "deps": context.value.deps, "call_id": context.call_id})
        if a < 0:
            raise ToolError("a must not be negative")
        return str(a + b)

    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        (definition,) = info.function_tools
        assert definition.strict is True
        assert definition.parameters_json_schema["required"] == ["a", "b"]
        last = messages[-1].parts[-1]
        if len(messages) == 5:
            assert isinstance(last, ToolReturnPart)
            return ModelResponse(parts=[TextPart(str(last.content))])
        if len(messages) == 3:
            assert "a must not be negative" in str(getattr(last, "content", ""))
        arguments = {"a": -1 if len(messages) == 1 else 2, "b": None}
        return ModelResponse(parts=[ToolCallPart("add", arguments, tool_call_id="c1")])

    agent = Agent(FunctionModel(model), tools=Toolbox([add]).to_pydantic_ai(), deps_type=str)
    result = await agent.run("add", deps="ann")

    assert result.output == "3"
    assert seen == [
        {"a": -1, "b": 1, "deps": "ann", "call_id": "c1"},
        {"a": 2, "b": 1, "deps": "ann", "call_id": "c1"},
    ]


async def test_a_tool_that_this_run_hides_is_said_to_be_missing():
    async def only_for_ann(
        ctx: RunContext[str], definition: ToolDefinition
    ) -> ToolDefinition | None:
        return definition if ctx.deps == "ann" else None

    tools = [Tool(balance, prepare=only_for_ann)]

    assert await answer(tools, "balance", '{"account": "a"}', "ann") == "ann a False c1"
    assert await answer(tools, "balance", '{"account": "a"}', "bob") == (
        "balance is not available in this run."
    )


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_tools_own_check_of_its_arguments_speaks_to_the_model(is_async: bool):
    def check(ctx: RunContext[str], account: str, pending: bool = False) -> None:
        if account == "closed":
            raise ModelRetry(f"{ctx.deps}, it is closed")

    async def check_later(ctx: RunContext[str], account: str, pending: bool = False) -> None:
        check(ctx, account)

    tools = [Tool(balance, args_validator=check_later if is_async else check)]

    assert await answer(tools, "balance", '{"account": "a"}', "ann") == "ann a False c1"
    assert await answer(tools, "balance", '{"account": "closed"}', "ann") == "ann, it is closed"


async def test_the_callers_own_run_context_is_passed_on():
    usage = RunUsage(requests=3)
    own = RunContext(deps="ann", model=TestModel(), usage=usage, tool_call_id="old")

    def requests(ctx: RunContext[str]) -> str:
        """Count."""
        return f"{ctx.deps} {ctx.usage.requests} {ctx.tool_call_id} {ctx.tool_name}"

    assert await answer([Tool(requests)], "requests", "{}", own) == "ann 3 c1 requests"


async def test_the_address_of_a_document_becomes_a_part():
    def see() -> Any:
        return ToolReturn("two", content=[DocumentUrl("https://x/y.pdf")])

    assert await answer([Tool(see)], "see", "{}") == [
        {"type": "input_text", "text": "two"},
        {"type": "input_file", "file_url": "https://x/y.pdf"},
    ]


async def test_an_asynchronous_tool_reaches_an_agent_too():
    async def add(a: int) -> int:
        """Add."""
        if a < 0:
            raise ToolError("a must not be negative")
        return a + 1

    (made,) = Toolbox([add]).to_pydantic_ai()
    ctx = RunContext(deps=None, model=TestModel(), usage=RunUsage())

    assert await made.function(ctx, a=1) == 2
    with pytest.raises(ModelRetry, match="a must not be negative"):
        await made.function(ctx, a=-1)


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_all_that_a_generator_yields_reaches_the_agent(
    asynchronous: bool, responses_backend: Backend
):
    def rows(n: int):
        """Rows."""
        yield from range(n)

    async def rows_later(n: int):
        """Rows."""
        for each in range(n):
            yield each

    (made,) = Toolbox([rows_later if asynchronous else rows]).to_pydantic_ai()
    responses_backend.call_tool(made.name, n=3).then.reply("done")
    await Agent("openai:gpt-5", tools=[made]).run("Go.")
    assert responses_backend.requests[-1].input[-1]["output"] == "[0,1,2]"
