"""Getting started with PydanticAI on a server of your own, such as Aleph Alpha's.

Why: the first hour with a new server: is it up, does it answer, whose instructions hold on the second turn, how do
I send more than a string, how is a conversation kept at the server.

Run: python -m responses_adapters run --server aleph-alpha cookbook/pydantic_ai_getting_started.py
     or, with ALEPH_ALPHA_BASE_URL and ALEPH_ALPHA_API_KEY set: python cookbook/pydantic_ai_getting_started.py

Prints:
    health: healthy
    first request: You said: We are 8 people.
    conversation: You told me earlier: We are 8 people.
    other instructions: You said: Lunch for all. (message 3; you began with: We are 8 people.)
    structured input: You told me earlier: We are 8 people.
    kept at the server: You told me earlier: We are 8 people.
"""

from __future__ import annotations

import asyncio
import os

from pydantic_ai import Agent, ModelMessage, ModelRequest, ModelResponse, TextPart

from responses_adapters.pydantic_ai import ResponsesModel, ResponsesModelSettings, ResponsesProvider

MODEL = os.environ.get("RESPONSES_MODEL", "qwen3-32b-tool")


async def start() -> None:
    async with ResponsesProvider("aleph-alpha") as provider:
        print("health:", (await provider.health())["status"])

        # First request.
        agent = Agent(ResponsesModel(MODEL, provider=provider), instructions="You book rooms.")
        first = await agent.run("We are 8 people.")
        print("first request:", first.output)

        # The history decides what the model sees. The server has it, so only the new message is sent.
        second = await agent.run("How many people are we?", message_history=first.all_messages())
        print("conversation:", second.output)

        # An agent with other instructions takes over: they replace the inherited ones from here on.
        chef = Agent(agent.model, instructions="You plan lunches.")
        third = await chef.run("Lunch for all.", message_history=second.all_messages())
        print("other instructions:", third.output)

        # Structured input: messages with roles.
        said: list[ModelMessage] = [
            ModelRequest.user_text_prompt("We are 8 people."),
            ModelResponse([TextPart("Noted.")]),
        ]
        fourth = await agent.run("How many people are we?", message_history=said)
        print("structured input:", fourth.output)

        # A conversation kept at the server under a name of its own: here no history travels at all.
        kept = await provider.client.conversations.create(metadata={"application": "booking"})
        settings = ResponsesModelSettings(openai_conversation_id=kept.id)
        for question in ("We are 8 people.", "How many people are we?"):
            fifth = await agent.run(question, model_settings=settings)
        print("kept at the server:", fifth.output)


def main() -> None:
    asyncio.run(start())


if __name__ == "__main__":
    main()

# Where next: pydantic_ai_swap_the_backend.py names servers in model strings; pydantic_ai_streaming.py.
