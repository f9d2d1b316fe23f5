"""Compose toolsets: prefix them, filter them by the caller, ask before some tools run.

Why: toolsets are PydanticAI's own and stay so; this package only makes sure that each tool goes out in the flat
form that Responses servers take, and comes back in the arguments that you declared.

Run: python -m responses_adapters run cookbook/pydantic_ai_toolsets.py
     or, against a server: OPENAI_API_KEY=... python cookbook/pydantic_ai_toolsets.py

Prints:
    guest: Here is the result. Check room (Birch): Birch is free.
    may Ada call reserve_room({"room":"Birch"})?
    Ada: Here is the result. Check room (Birch): Birch is free. Reserve room (Birch): Reserved Birch for Ada.
"""

from __future__ import annotations

import os
from typing import Any

from pydantic_ai import (
    Agent,
    DeferredToolRequests,
    DeferredToolResults,
    FunctionToolset,
    RunContext,
    ToolDefinition,
)

from responses_adapters.pydantic_ai import ResponsesModel

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")

rooms: FunctionToolset[str] = FunctionToolset()


@rooms.tool_plain
def check_room(room: str) -> str:
    """Check whether a room is free."""
    return f"{room} is free."


@rooms.tool
def reserve_room(ctx: RunContext[str], room: str) -> str:
    """Reserve a room."""
    return f"Reserved {room} for {ctx.deps}."


def may_book(ctx: RunContext[str], tool: ToolDefinition) -> bool:
    return ctx.deps != "guest" or tool.name != "reserve_room"


def needs_approval(_: RunContext[str], tool: ToolDefinition, __: dict[str, Any]) -> bool:
    return tool.name == "reserve_room"


def main() -> None:
    toolset = rooms.filtered(may_book).approval_required(needs_approval)
    agent = Agent(
        ResponsesModel(MODEL),
        deps_type=str,
        toolsets=[toolset],
        output_type=[str, DeferredToolRequests],
    )
    wish = "Is the Birch room free? If so, book it."
    print("guest:", agent.run_sync(wish, deps="guest").output)

    result = agent.run_sync(wish, deps="Ada")
    assert isinstance(result.output, DeferredToolRequests)
    for call in result.output.approvals:
        print(f"may Ada call {call.tool_name}({call.args})?")
    granted = DeferredToolResults(approvals={c.tool_call_id: True for c in result.output.approvals})
    history = result.all_messages()
    result = agent.run_sync(message_history=history, deferred_tool_results=granted, deps="Ada")
    print("Ada:", result.output)


if __name__ == "__main__":
    main()

# Where next: tools_mcp.py for the tools of an MCP server; tools_shared.py for tools that LangGraph uses too.
