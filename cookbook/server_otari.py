"""One graph over two providers, through any-llm's gateway Otari.

Why: the gateway names providers in the model (`openai:...`, `groq:...`) and keeps no conversations. The profile
knows: each turn carries the thread, and what one provider's model thought is not shown to the other's.

Run: python -m responses_adapters run --server otari cookbook/server_otari.py
     or, against the server: OTARI_BASE_URL=... OTARI_API_KEY=... python cookbook/server_otari.py

Prints:
    openai:gpt-5.2 (replay of 1): You said: Please put 8 people into Birch on June 8.
    groq:openai/gpt-oss-120b (replay of 2): {"room": "Birch", "date": "June 8", "people": 8}
    Booking(room='Birch', date='June 8', people=8)
"""

from __future__ import annotations

import os
from typing import Literal

from langchain_core.messages import HumanMessage
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

from responses_adapters.langgraph import ResponsesNode

TALKS = os.environ.get("RESPONSES_MODEL", "openai:gpt-5.2")
EXTRACTS = os.environ.get("RESPONSES_MODEL", "groq:openai/gpt-oss-120b")


class Booking(BaseModel):
    """A request for a room."""

    room: Literal["Birch", "Cedar"]
    date: str
    people: int


def main() -> None:
    builder = StateGraph(MessagesState)
    builder.add_node("talk", ResponsesNode(TALKS, server="otari"))
    builder.add_node("extract", ResponsesNode(EXTRACTS, server="otari", response_format=Booking))
    builder.add_edge(START, "talk")
    builder.add_edge("talk", "extract")

    wish = "Please put 8 people into Birch on June 8."
    state = builder.compile().invoke({"messages": [HumanMessage(wish)]})
    talked, extracted = state["messages"][1:]
    for message in (talked, extracted):
        turn = message.response_metadata["responses"]
        print(
            f"{message.response_metadata['model_name']} ({turn['how']} of {turn['sent']}): {message.text}"
        )
    print(repr(Booking.model_validate_json(extracted.text)))


if __name__ == "__main__":
    main()

# Where next: server_any_llm.py does it without a gateway; fallback.py, when one of them is down.
