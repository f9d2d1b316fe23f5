"""Point a PydanticAI agent at another Responses server: by one line, by string, or for one run.

    -    agent = Agent("openai:gpt-5.2", tools=[check_room])
    +    agent = Agent(ResponsesModel("gpt-5.2", base_url=...), tools=[check_room])

Why: the history stays right on any server. Where the server keeps conversations, only what is new is sent; where it
does not, or nobody knows, all of it is. Other server, other dialect: the agent's code does not notice.

Run: python -m responses_adapters run cookbook/pydantic_ai_swap_the_backend.py
     or, against a server: OPENAI_API_KEY=... python cookbook/pydantic_ai_swap_the_backend.py

Prints:
    by object: Here is the result. Check room (Birch, 2pm): Birch is free at 2pm.
    by string: Here is the result. Check room (Birch, 2pm): Birch is free at 2pm.
    by route: house
    by override: Here is the result. Check room (Birch, 2pm): Birch is free at 2pm.
"""

from __future__ import annotations

import os

from pydantic_ai import Agent

from responses_adapters import ServerProfile
from responses_adapters.pydantic_ai import ResponsesModel, ResponsesServers

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")
QUESTION = "Is the Birch room free at 2pm?"

HOUSE = (
    ServerProfile(  # where your own server is; a known one ("orq", "valar" ...) needs no profile
        name="house",
        base_url="https://api.openai.com/v1",
        base_url_env="OPENAI_BASE_URL",
        api_key_env="OPENAI_API_KEY",
    )
)


def check_room(room: str, time: str) -> str:
    """Check whether a room is free.

    Args:
        room: Name of the room.
        time: When the meeting begins, such as "2pm".
    """
    return f"{room} is free at {time}."


def main() -> None:
    # By one line: the model is an object. Address and key come from OPENAI_BASE_URL and OPENAI_API_KEY.
    agent = Agent(ResponsesModel(MODEL), tools=[check_room])
    print("by object:", agent.run_sync(QUESTION).output)

    # By string, which also works where durable engines refuse model objects.
    servers = ResponsesServers[object](servers={"house": HOUSE})
    agent = Agent(f"house:{MODEL}", tools=[check_room], capabilities=[servers])
    print("by string:", agent.run_sync(QUESTION).output)

    # By route: an agent that names OpenAI is served elsewhere, its own line untouched.
    servers = ResponsesServers[object](servers={"house": HOUSE}, routes={"openai:*": "house:*"})
    agent = Agent(f"openai:{MODEL}", tools=[check_room], capabilities=[servers])
    print("by route:", agent.run_sync(QUESTION).response.provider_name)

    # For the runs inside a block, in a test or behind a feature flag.
    with agent.override(model=ResponsesModel(MODEL)):
        print("by override:", agent.run_sync(QUESTION).output)


if __name__ == "__main__":
    main()

# Where next: pydantic_ai_getting_started.py; fallback.py keeps a second server ready.
