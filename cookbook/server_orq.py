"""Call agents and models of orq.ai: variables and secrets, memory, platform tools, images, schedules.

Why: an agent that lives at orq (`agent/<key>`) brings its own instructions and tools. What it needs from you for
one call travels beside the conversation. Secret variables belong to the provider, so they are in no history and no
trace.

Run: python -m responses_adapters run --server orq cookbook/server_orq.py
     or, against the server: ORQ_API_KEY=... RESPONSES_MODEL=agent/<key> python cookbook/server_orq.py

Prints:
    You said: We are 8 people.
    You told me earlier: We are 8 people.
    You said: Which colour is this?
    schedules: ['0 0 9 * * 1']
    run now: triggered
    schedules: []
"""

from __future__ import annotations

import asyncio
import os
from typing import Any
from urllib.parse import urljoin

from pydantic_ai import Agent, BinaryContent

from responses_adapters.pydantic_ai import ResponsesModel, ResponsesModelSettings, ResponsesProvider

MODEL = os.environ.get("RESPONSES_MODEL", "agent/digest")
PIXEL = bytes.fromhex(  # a picture of one pixel
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63"
    "f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


def secrets() -> dict[str, Any]:
    """Asked for on each request, so a rotated secret is used at once."""
    return {"crm_token": {"secret": True, "value": "from your vault"}}


async def call_the_agent() -> None:
    settings = ResponsesModelSettings(
        responses_variables={"region": "EMEA"},
        responses_memory={"entity_id": "user-7"},
        responses_thread={"id": "support-7", "tags": ["rooms"]},
        openai_reasoning_effort="low",
        extra_body={"tools": [{"type": "orq:current_date"}]},  # run at orq; nothing to answer here
    )
    async with ResponsesProvider("orq", variables=secrets) as provider:
        agent = Agent(ResponsesModel(MODEL, provider=provider), model_settings=settings)
        first = await agent.run("We are 8 people.")
        print(first.output)
        again = await agent.run("How many people are we?", message_history=first.all_messages())
        print(again.output)
        picture = BinaryContent(PIXEL, media_type="image/png")
        print((await agent.run(["Which colour is this?", picture])).output)


async def schedule_the_agent() -> None:
    async with ResponsesProvider("orq") as provider:
        client, agent = provider.client, MODEL.removeprefix("agent/")
        schedules = urljoin(provider.base_url, f"/v3/agents/{agent}/schedules")  # beside the router
        mondays = {"type": "cron", "expression": "0 0 9 * * 1", "payload": {"input": "Sum up."}}
        made: Any = await client.post(schedules, body=mondays, cast_to=object)
        listed: Any = await client.get(schedules, cast_to=object)
        print("schedules:", [each["expression"] for each in listed["data"]])
        mine = f"{schedules}/{made['_id']}"
        ran: Any = await client.post(f"{mine}/execution", cast_to=object)  # now, beside its cadence
        print("run now:", ran["status"])
        await client.delete(mine, cast_to=object)
        listed = await client.get(schedules, cast_to=object)
        print("schedules:", listed["data"])


def main() -> None:
    asyncio.run(call_the_agent())
    asyncio.run(schedule_the_agent())


if __name__ == "__main__":
    main()

# Where next: ResponsesNode(MODEL, server="orq", tools=[...]) for LangGraph.
