"""Give the tools of an MCP server to both frameworks.

Why: a `Toolbox` converts them once, with their schemas and their errors, and works with either line of the MCP SDK.
The calls run from here; `{"type": "mcp", "server_url": ...}` would instead have the Responses server run them,
where it can.

Run: python -m responses_adapters run cookbook/tools_mcp.py
     or, against a server: OPENAI_API_KEY=... python cookbook/tools_mcp.py
     (needs mcp 2 or newer)

Prints:
    tools: check_room
    LangGraph: Here is the result. Check room (Birch, 2pm): Birch is free at 2pm.
    PydanticAI: Here is the result. Check room (Birch, 2pm): Birch is free at 2pm.
"""

from __future__ import annotations

import asyncio
import os

from langchain_core.messages import HumanMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from mcp import Client
from mcp.server import MCPServer
from pydantic_ai import Agent

from responses_adapters.langgraph import ResponsesNode
from responses_adapters.pydantic_ai import ResponsesModel
from responses_adapters.tools import Toolbox
from responses_adapters.tools.mcp import load_mcp_tools

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")
QUESTION = "Is the Birch room free at 2pm?"

server = MCPServer("rooms", log_level="WARNING")


@server.tool()
def check_room(room: str, time: str) -> str:
    """Check whether a room is free."""
    return f"{room} is free at {time}."


async def with_langgraph(box: Toolbox) -> str:
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode(MODEL, tools=box.to_langchain()))
    builder.add_node("tools", ToolNode(box.to_langchain()))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    state = await builder.compile().ainvoke({"messages": [HumanMessage(QUESTION)]})
    return str(state["messages"][-1].text)


async def with_pydantic_ai(box: Toolbox) -> str:
    agent = Agent(ResponsesModel(MODEL), tools=box.to_pydantic_ai())
    return (await agent.run(QUESTION)).output


async def ask_both() -> None:
    async with Client(server) as session:  # elsewhere: Client("https://rooms.example/mcp")
        box = Toolbox(await load_mcp_tools(session))
        print("tools:", ", ".join(tool.name for tool in box))
        print("LangGraph:", await with_langgraph(box))
        print("PydanticAI:", await with_pydantic_ai(box))


def main() -> None:
    asyncio.run(ask_both())


if __name__ == "__main__":
    main()

# Where next: load_mcp_tools(session, prefix="rooms_") keeps the tools of two servers apart.
