"""One graph over two providers, with any-llm in process instead of a server.

Why: any-llm is a library. As a transport it takes the place of the network: the graph sends its requests as ever,
any-llm calls the provider that the model's name begins with, and answers, streams and errors come back as a
server's would. No gateway has to run. With one, use server_otari.py.

Run: python -m responses_adapters run cookbook/server_any_llm.py
     or, against the providers: OPENAI_API_KEY=... OPENROUTER_API_KEY=... python cookbook/server_any_llm.py
     (needs responses-adapters[any-llm])

Prints:
    gpt-5.2: You said: Please put 8 people into Birch on June 8.
    openai/gpt-oss-120b: {"room": "Birch", "date": "June 8", "people": 8}
    Booking(room='Birch', date='June 8', people=8)
"""

from __future__ import annotations

import os
from typing import Literal

from langchain_core.messages import HumanMessage
from langgraph.graph import START, MessagesState, StateGraph
from openai import DefaultHttpxClient
from pydantic import BaseModel

from responses_adapters.langgraph import ChatResponses, ResponsesNode
from responses_adapters.protocol.any_llm import any_llm_transport

TALKS = os.environ.get("RESPONSES_MODEL", "openai:gpt-5.2")
EXTRACTS = "openrouter:openai/gpt-oss-120b"


class Booking(BaseModel):
    """A request for a room."""

    room: Literal["Birch", "Cedar"]
    date: str
    people: int


def model(name: str, key: str) -> ChatResponses:
    transport = any_llm_transport(api_key=os.environ.get(key, "none"))
    client = DefaultHttpxClient(transport=transport)
    return ChatResponses(name, base_url="https://any-llm.invalid/v1", http_client=client)


def main() -> None:
    extracts = model(EXTRACTS, "OPENROUTER_API_KEY").bind(response_format=Booking)
    builder = StateGraph(MessagesState)
    builder.add_node("talk", ResponsesNode(model(TALKS, "OPENAI_API_KEY")))
    builder.add_node("extract", ResponsesNode(extracts))
    builder.add_edge(START, "talk")
    builder.add_edge("talk", "extract")

    wish = "Please put 8 people into Birch on June 8."
    state = builder.compile().invoke({"messages": [HumanMessage(wish)]})
    for message in state["messages"][1:]:
        print(f"{message.response_metadata['model_name']}: {message.text}")
    print(repr(Booking.model_validate_json(state["messages"][-1].text)))


if __name__ == "__main__":
    main()

# Where next: ResponsesModel(name, base_url=..., http_client=AsyncClient(transport=...)) for PydanticAI.
