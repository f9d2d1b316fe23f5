"""Get an agent's answer as a Pydantic model, checked, by the API's own format or by a tool.

Why: `NativeOutput` asks for the format in the API itself, `ToolOutput` works wherever tools do. Whether the server
takes the first is in its profile, so an agent on a server without it fails before anything is sent.

Run: python -m responses_adapters run cookbook/pydantic_ai_structured_output.py
     or, against a server: OPENAI_API_KEY=... python cookbook/pydantic_ai_structured_output.py

Prints:
    Booking(room='Birch', date='June 8', time='2pm', people=8, note=None)
    True
"""

from __future__ import annotations

import os
from typing import Literal

from pydantic import BaseModel, Field
from pydantic_ai import Agent, NativeOutput, ToolOutput

from responses_adapters.pydantic_ai import ResponsesModel

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
    model = ResponsesModel(MODEL)
    by_format = Agent(model, output_type=NativeOutput(Booking)).run_sync(REQUEST)
    print(repr(by_format.output))
    by_tool = Agent(model, output_type=ToolOutput(Booking)).run_sync(REQUEST)
    print(by_tool.output == by_format.output)


if __name__ == "__main__":
    main()

# Where next: an output validator (`@agent.output_validator`) can send the model back with a reason.
