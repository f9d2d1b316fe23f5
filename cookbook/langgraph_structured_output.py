"""Get an answer in the shape of a Pydantic model, from a model and from a node.

Why: `with_structured_output` gives you the object. In a node, `response_format=` constrains the answer and leaves
it a message, so that the thread can go on. Either way the schema travels in the API's own strict form, and what
that form cannot say (here: at least one person) is still checked by the model class.

Run: python -m responses_adapters run cookbook/langgraph_structured_output.py
     or, against a server: OPENAI_API_KEY=... python cookbook/langgraph_structured_output.py

Prints:
    Booking(room='Birch', date='June 8', time='2pm', people=8, note=None)
    {"room": "Birch", "date": "June 8", "time": "2pm", "people": 8, "note": null}
    True
"""

from __future__ import annotations

import os
from typing import Literal

from langchain_core.messages import HumanMessage
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel, Field

from responses_adapters.langgraph import ChatResponses, ResponsesNode

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")
REQUEST = "Please put 8 people into Birch at 2pm on June 8."


class Booking(BaseModel):
    """A request for a room."""

    room: Literal["Birch", "Cedar"]
    date: str
    time: str
    people: int = Field(ge=1)
    note: str | None = None


def main() -> None:
    booking = ChatResponses(MODEL).with_structured_output(Booking).invoke(REQUEST)
    print(repr(booking))

    builder = StateGraph(MessagesState)
    builder.add_node("extract", ResponsesNode(MODEL, response_format=Booking))
    builder.add_edge(START, "extract")
    answer = builder.compile().invoke({"messages": [HumanMessage(REQUEST)]})["messages"][-1]
    print(answer.text)
    print(Booking.model_validate_json(answer.text) == booking)


if __name__ == "__main__":
    main()

# Where next: include_raw=True returns the message and the parsing error instead of raising; dataclasses, TypedDicts
# and JSON schemas work like Pydantic models.
