"""Write a tool once, and use it in both frameworks and with a plain OpenAI client.

Why: each framework has its own decorator, and each reads optional parameters and descriptions a little differently.
A `Toolbox` reads a function once; the model sees the same schema everywhere, and the function gets the same
arguments.

Run: python -m responses_adapters run cookbook/tools_shared.py
     or, against a server: OPENAI_API_KEY=... python cookbook/tools_shared.py

Prints:
    with_langgraph: Here is the result. Get weather (Oslo): Oslo: -3 degrees celsius.
    with_pydantic_ai: Here is the result. Get weather (Oslo): Oslo: -3 degrees celsius.
    with_openai: Here is the result. Get weather (Oslo): Oslo: -3 degrees celsius.
"""

from __future__ import annotations

import os
from typing import Any, Literal

from langchain_core.messages import HumanMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from openai import OpenAI
from pydantic_ai import Agent

from responses_adapters.langgraph import ResponsesNode
from responses_adapters.pydantic_ai import ResponsesModel
from responses_adapters.tools import Toolbox

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")
QUESTION = "What is the weather in Oslo?"


def get_weather(city: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> str:
    """Current weather.

    Args:
        city: Name of the city.
        unit: Unit of the temperature.
    """
    return f"{city}: {-3 if unit == 'celsius' else 27} degrees {unit}"


box = Toolbox([get_weather])


def with_langgraph() -> str:
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode(MODEL, tools=box.to_langchain()))
    builder.add_node("tools", ToolNode(box.to_langchain()))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    return str(
        builder.compile().invoke({"messages": [HumanMessage(QUESTION)]})["messages"][-1].text
    )


def with_pydantic_ai() -> str:
    agent = Agent(ResponsesModel(MODEL), tools=box.to_pydantic_ai())
    return agent.run_sync(QUESTION).output


def with_openai() -> str:
    client: Any = OpenAI()
    asked = {"role": "user", "content": QUESTION}
    first = client.responses.create(model=MODEL, input=[asked], tools=box.definitions)
    done = [asked, *(item.model_dump(exclude_none=True) for item in first.output)]
    outputs = box.execute_sync(first.output)
    return str(client.responses.create(model=MODEL, input=[*done, *outputs]).output_text)


def main() -> None:
    for ask in (with_langgraph, with_pydantic_ai, with_openai):
        print(f"{ask.__name__}: {ask()}")


if __name__ == "__main__":
    main()

# Where next: tools_mcp.py, tools_openapi.py. A Toolbox also takes LangChain, PydanticAI and openai-agents tools.
