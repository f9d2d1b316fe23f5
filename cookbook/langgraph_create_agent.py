"""Use any Responses server under LangChain's `create_agent`, middleware included.

    -    agent = create_agent("openai:gpt-5.2", tools, middleware=[...])
    +    agent = create_agent("openai:gpt-5.2", tools, middleware=[..., ResponsesMiddleware()])

Why: `ChatResponses` is a chat model, so whatever takes one takes it; `ResponsesMiddleware` does the same for an agent
that has its model already. Loop, state and other middleware stay LangChain's own, and each call sends what the server
does not hold yet.

Run: python -m responses_adapters run cookbook/langgraph_create_agent.py
     or, against a server: OPENAI_API_KEY=... python cookbook/langgraph_create_agent.py
     (needs responses-adapters[langchain])

Prints:
    human: Is the Birch room free at 2pm? If so, book it.
    ai: check_room
    tool: Birch is free at 2pm.
    ai: reserve_room
    tool: Reserved Birch at 2pm.
    ai: Here is the result. Check room (Birch, 2pm): Birch is free at 2pm. Reserve room (Birch, 2pm): Reserved Birch at 2pm.
    human: Is the Birch room free at 2pm? If so, book it.
    ai: check_room
    tool: Birch is free at 2pm.
    ai: reserve_room
    tool: Reserved Birch at 2pm.
    ai: Here is the result. Check room (Birch, 2pm): Birch is free at 2pm. Reserve room (Birch, 2pm): Reserved Birch at 2pm.
"""

from __future__ import annotations

import os
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver

from responses_adapters.langgraph import ChatResponses, ResponsesMiddleware

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")


def check_room(room: str, time: str) -> str:
    """Check whether a room is free.

    Args:
        room: Name of the room.
        time: When the meeting begins, such as "2pm".
    """
    return f"{room} is free at {time}."


def reserve_room(room: str, time: str) -> str:
    """Reserve a room.

    Args:
        room: Name of the room.
        time: When the meeting begins, such as "2pm".
    """
    return f"Reserved {room} at {time}."


def main() -> None:
    ours: dict[str, Any] = {"model": ChatResponses(MODEL)}
    theirs: dict[str, Any] = {
        "model": ChatOpenAI(model=MODEL),
        "middleware": [ResponsesMiddleware()],
    }
    for options in (ours, theirs):
        agent = create_agent(
            **options,
            tools=[check_room, reserve_room],
            system_prompt="You book rooms. Check before you book.",
            checkpointer=InMemorySaver(),
        )
        thread: Any = {"configurable": {"thread_id": "1"}}
        wish = "Is the Birch room free at 2pm? If so, book it."
        for message in agent.invoke({"messages": [HumanMessage(wish)]}, thread)["messages"]:
            calls = [call["name"] for call in getattr(message, "tool_calls", ())]
            print(f"{message.type}: {message.text or ', '.join(calls)}")


if __name__ == "__main__":
    main()

# Where next: langgraph_human_approval.py; langgraph_long_thread.py.
