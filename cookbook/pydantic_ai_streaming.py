"""Stream an agent: the words of its answer, or everything that happens on the way.

Why: `run_stream` gives the text; `run_stream_events` also gives tool calls and their results. On a server that
cannot stream (Valar) the same code runs, and the answer comes in one piece.

Run: python -m responses_adapters run cookbook/pydantic_ai_streaming.py
     or, against a server: OPENAI_API_KEY=... python cookbook/pydantic_ai_streaming.py

Prints:
    Here| is| the| result.| Check| room| (Birch,| 2pm):| Birch| is| free| at| 2pm.|
    -> check_room({"room":"Cedar","time":"3pm"})
    <- Cedar is free at 3pm.
    Here| is| the| result.| Check| room| (Cedar,| 3pm):| Cedar| is| free| at| 3pm.|
    2 requests
"""

from __future__ import annotations

import asyncio
import os

from pydantic_ai import (
    Agent,
    AgentRunResultEvent,
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)

from responses_adapters.pydantic_ai import ResponsesModel

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")

agent = Agent()


@agent.tool_plain
def check_room(room: str, time: str) -> str:
    """Check whether a room is free.

    Args:
        room: Name of the room.
        time: When the meeting begins, such as "2pm".
    """
    return f"{room} is free at {time}."


async def stream() -> None:
    model = ResponsesModel(MODEL)
    async with agent.run_stream("Is the Birch room free at 2pm?", model=model) as answer:
        async for words in answer.stream_text(delta=True, debounce_by=None):
            print(words, end="|", flush=True)
        history = answer.all_messages()
    print()

    question = "And is the Cedar room free at 3pm?"
    async with agent.run_stream_events(question, model=model, message_history=history) as events:
        async for event in events:
            if isinstance(event, FunctionToolCallEvent):
                print(f"-> {event.part.tool_name}({event.part.args})")
            elif isinstance(event, FunctionToolResultEvent):
                print(f"<- {event.part.content}")
            elif isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                print(event.part.content, end="|", flush=True)
            elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                print(event.delta.content_delta, end="|", flush=True)
            elif isinstance(event, AgentRunResultEvent):
                print(f"\n{event.result.usage.requests} requests")


def main() -> None:
    asyncio.run(stream())


if __name__ == "__main__":
    main()

# Where next: pydantic_ai_structured_output.py.
