"""Everything that is measured, behind one interface: ours, the stock classes, and each framework with no HTTP at all.

A contender talks to one address of the canned server, and each of its methods is one operation:

- `turn(prompt)`: one question, the text of the answer.
- `stream(prompt, first)`: the same streamed, the number of text deltas; `first()` is called at the first.
- `loop(prompt)`: one question answered after tool calls, their number.
- `open()` and `say(thread, prompt)`: a new thread, and one more turn in it.

Imports are in the functions: a worker loads what its own contender needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any

from canned import text_of

from responses_adapters import ServerProfile

MODEL = "canned-1"
KEY = "sk-canned"
PATIENCE = 120.0
"""Seconds; a thousand connections at once take a slow machine a while."""
SERVER = ServerProfile(name="canned", state="server", echoes_previous_id=True)
STATELESS = ServerProfile(name="canned", state="replay")

_threads = count(1)


def get_weather(city: str, unit: str) -> str:
    """Weather for a city."""
    return f"21 {unit} in {city}"


class Chat:
    """A LangChain chat model, and the list of messages that its user keeps."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._bound = None

    async def turn(self, prompt: str) -> str:
        return (await self._model.ainvoke(prompt)).text

    async def stream(self, prompt: str, first: Callable[[], None]) -> int:
        deltas = 0
        async for chunk in self._model.astream(prompt):
            if chunk.text:
                deltas += 1
                if deltas == 1:
                    first()
        return deltas

    async def loop(self, prompt: str) -> int:
        from langchain_core.messages import HumanMessage, ToolMessage

        if self._bound is None:
            self._bound = self._model.bind_tools([get_weather])
        messages: list[Any] = [HumanMessage(prompt)]
        while calls := (answer := await self._bound.ainvoke(messages)).tool_calls:
            outputs = [ToolMessage(get_weather(**c["args"]), tool_call_id=c["id"]) for c in calls]
            messages += [answer, *outputs]
        return sum(message.type == "tool" for message in messages)

    def open(self) -> list[Any]:
        return []

    async def say(self, thread: list[Any], prompt: str) -> str:
        from langchain_core.messages import HumanMessage

        thread.append(HumanMessage(prompt))
        thread.append(await self._model.ainvoke(thread))
        return thread[-1].text


class Graph:
    """A LangGraph graph of one model node, with an `InMemorySaver`; and one with a tool node beside it."""

    def __init__(self, node: Callable[[list[Any]], Any]) -> None:
        from langgraph.checkpoint.memory import InMemorySaver
        from langgraph.graph import START, MessagesState, StateGraph
        from langgraph.prebuilt import ToolNode, tools_condition

        class State(MessagesState):
            previous_response_id: str | None

        self._plain = (
            StateGraph(State)
            .add_node("model", node([]))
            .add_edge(START, "model")
            .compile(checkpointer=InMemorySaver())
        )
        self._tools = (
            StateGraph(State)
            .add_node("model", node([get_weather]))
            .add_node("tools", ToolNode([get_weather]))
            .add_edge(START, "model")
            .add_conditional_edges("model", tools_condition)
            .add_edge("tools", "model")
            .compile(checkpointer=InMemorySaver())
        )

    def open(self) -> dict[str, Any]:
        return {"configurable": {"thread_id": str(next(_threads))}, "recursion_limit": 200}

    async def say(self, thread: dict[str, Any], prompt: str) -> str:
        state = await self._plain.ainvoke({"messages": [("user", prompt)]}, thread)
        return state["messages"][-1].text

    async def turn(self, prompt: str) -> str:
        return await self.say(self.open(), prompt)

    async def stream(self, prompt: str, first: Callable[[], None]) -> int:
        deltas, asked = 0, {"messages": [("user", prompt)]}
        async for chunk, _ in self._plain.astream(asked, self.open(), stream_mode="messages"):
            if chunk.text:
                deltas += 1
                if deltas == 1:
                    first()
        return deltas

    async def loop(self, prompt: str) -> int:
        state = await self._tools.ainvoke({"messages": [("user", prompt)]}, self.open())
        return sum(message.type == "tool" for message in state["messages"])


class Agent:
    """A PydanticAI agent; its user keeps the history."""

    def __init__(self, model: Any, **settings: Any) -> None:
        from pydantic_ai import Agent

        self._plain = Agent(model, model_settings=settings)
        self._tools = Agent(model, model_settings=settings, tools=[get_weather])

    def open(self) -> dict[str, Any]:
        return {}

    async def say(self, thread: dict[str, Any], prompt: str) -> str:
        result = await self._plain.run(prompt, message_history=thread.get("messages"))
        thread["messages"] = result.all_messages()
        return result.output

    async def turn(self, prompt: str) -> str:
        return (await self._plain.run(prompt)).output

    async def stream(self, prompt: str, first: Callable[[], None]) -> int:
        deltas = 0
        async with self._plain.run_stream(prompt) as result:
            async for _ in result.stream_text(delta=True, debounce_by=None):
                deltas += 1
                if deltas == 1:
                    first()
        return deltas

    async def loop(self, prompt: str) -> int:
        messages = (await self._tools.run(prompt)).all_messages()
        return sum(part.part_kind == "tool-return" for each in messages for part in each.parts)


class Sdk:
    """The OpenAI SDK's own `post`, JSON in and out: what a framework's turn needs beside the framework."""

    def __init__(self, url: str, http: Any) -> None:
        from openai import AsyncOpenAI

        from responses_adapters.protocol.http_clients import HTTP_LIBRARY, async_client

        self._client = AsyncOpenAI(base_url=url, api_key=KEY, http_client=async_client(http))
        self._response = HTTP_LIBRARY.Response

    async def answer(self, messages: list[Any]) -> tuple[str, dict[str, Any]]:
        """Id and first item of the response to the last message, be it a question or the output of a call."""
        *_, before, last = [None, *messages]
        item, known = {"role": "user", "content": last.text}, {}
        if last.type == "tool":
            item = {
                "type": "function_call_output",
                "call_id": last.tool_call_id,
                "output": last.text,
            }
            known = {"previous_response_id": before.response_metadata["id"]}
        body = {"model": MODEL, "input": [item], **known}
        response = await self._client.post("/responses", body=body, cast_to=self._response)
        found = json.loads(response.content)
        return found["id"], found["output"][0]


def _chat_openai(url: str, **options: Any) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model=MODEL, base_url=url, api_key=KEY, use_responses_api=True, timeout=PATIENCE, **options
    )


def _chat_responses(url: str, server: ServerProfile = SERVER, **options: Any) -> Any:
    from responses_adapters.langgraph import ChatResponses

    options |= {"server": server, "timeout": PATIENCE}
    return ChatResponses(MODEL, base_url=url, api_key=KEY, **options)


def _function_node(model: Any, *, naive: bool = False) -> Callable[[list[Any]], Any]:
    """The node of most tutorials; the naive one sends the whole history and the previous id as well."""

    def node(tools: list[Any]) -> Any:
        bound = model.bind_tools(tools) if tools else model

        async def call(state: dict[str, Any]) -> dict[str, Any]:
            return {"messages": [await bound.ainvoke(state["messages"])]}

        async def call_naively(state: dict[str, Any]) -> dict[str, Any]:
            known = state.get("previous_response_id")
            options = {"previous_response_id": known} if known else {}
            answer = await bound.ainvoke(state["messages"], **options)
            return {"messages": [answer], "previous_response_id": answer.response_metadata["id"]}

        return call_naively if naive else call

    return node


def _our_node(url: str, **options: Any) -> Graph:
    from responses_adapters.langgraph import ResponsesNode

    return Graph(lambda tools: ResponsesNode(_chat_responses(url, **options), tools=tools or None))


def _stock_agent(url: str) -> Agent:
    from pydantic_ai.models.openai import OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIResponsesModel(MODEL, provider=OpenAIProvider(base_url=url, api_key=KEY))
    return Agent(model, openai_previous_response_id="auto")


def _our_agent(url: str, **options: Any) -> Agent:
    from responses_adapters.pydantic_ai import ResponsesModel

    return Agent(ResponsesModel(MODEL, base_url=url, api_key=KEY, server=SERVER, **options))


def decider(chat: Any, thread: list[Any]) -> Callable[[], None]:
    """A function that does what is decided about the last turn of a thread, and nothing else."""
    from responses_adapters.langgraph.fingerprint import fingerprint
    from responses_adapters.langgraph.messages import ledger_entry
    from responses_adapters.protocol.chain import Ledger
    from responses_adapters.protocol.request import choose_plan, describe_setup
    from responses_adapters.protocol.verdict import judge

    *conversation, answer = thread
    turn = chat._model._prepare(conversation, None, {}, stream=False).turn
    stamp = answer.response_metadata["responses"]
    facts = {key: stamp[key] for key in ("how", "why", "sent", "bytes", "stored", "setup")}
    usage = {"input_tokens": stamp["input_tokens"], "output_tokens": stamp["output_tokens"]}
    known = turn.ledger

    def decide() -> None:
        entries = [ledger_entry(message) for message in conversation]
        turn.ledger = Ledger(entries, key=known._key, chain=known.chain, scope=known.scope)
        plan, expectation, _ = choose_plan(turn, describe_setup(turn))
        assert plan.how == "delta", plan
        judge({"usage": usage, "previous_response_id": "resp_1"}, expectation, turn.profile)
        turn.ledger.seal(fingerprint(answer), response_id=stamp["id"], anchor=True, facts=facts)

    return decide


def _canned_chat(url: str, http: str | None = None) -> Any:
    """The framework alone: a chat model whose answers need no server; with `http`, one that waits for the SDK's post."""
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

    text = text_of(int(url.rsplit("/", 2)[1].split("-")[0]))
    facts = {
        "id": f"resp_{0:024x}_0_0",
        "model": MODEL,
        "model_name": MODEL,
        "status": "completed",
        "created_at": 1789000000,
        "service_tier": "default",
        "model_provider": "openai",
    }
    usage: Any = {
        "input_tokens": 45,
        "output_tokens": 20,
        "total_tokens": 65,
        "input_token_details": {"cache_read": 0},
        "output_token_details": {"reasoning": 0},
    }

    sdk = Sdk(url, http) if http else None

    class Canned(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "canned"

        def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
            raise NotImplementedError

        def bind_tools(self, *args: Any, **kwargs: Any) -> Any:
            return self

        async def _agenerate(self, messages: list[Any], *_: Any, **__: Any) -> ChatResult:
            told = dict(facts)
            content = [{"type": "text", "text": text, "annotations": [], "logprobs": [], "id": "m"}]
            calls: list[Any] = []
            if sdk is not None:
                told["id"], item = await sdk.answer(messages)
                if item["type"] == "function_call":
                    arguments = json.loads(item["arguments"])
                    calls = [{"name": item["name"], "args": arguments, "id": item["call_id"]}]
                    content = []
            answer = AIMessage(
                content, tool_calls=calls, response_metadata=told, usage_metadata=usage
            )
            return ChatResult(generations=[ChatGeneration(message=answer)])

        async def _astream(self, *args: Any, **kwargs: Any) -> Any:
            for word in text.split():
                block = {"type": "text", "text": f"{word} ", "index": 0}
                yield ChatGenerationChunk(message=AIMessageChunk(content=[block]))

    return Canned()


def _canned_agent(url: str) -> Agent:
    from pydantic_ai.messages import ModelResponse, TextPart
    from pydantic_ai.models.function import FunctionModel

    text = text_of(int(url.rsplit("/", 2)[1].split("-")[0]))

    async def stream(*_: Any) -> Any:
        for word in text.split():
            yield f"{word} "

    def answer(*_: Any) -> ModelResponse:
        return ModelResponse(parts=[TextPart(text)])

    return Agent(FunctionModel(answer, stream_function=stream))


CONTENDERS: dict[str, Callable[[str], Any]] = {
    "ChatOpenAI": lambda url: Chat(_chat_openai(url)),
    "ChatResponses": lambda url: Chat(_chat_responses(url)),
    "ChatResponses, aiohttp": lambda url: Chat(_chat_responses(url, http="aiohttp")),
    "ChatResponses, replay": lambda url: Chat(_chat_responses(url, STATELESS)),
    "BaseChatModel over the SDK": lambda url: Chat(_canned_chat(url, "httpx")),
    "BaseChatModel over the SDK, aiohttp": lambda url: Chat(_canned_chat(url, "aiohttp")),
    "full node": lambda url: Graph(_function_node(_chat_openai(url))),
    "naive node": lambda url: Graph(_function_node(_chat_openai(url), naive=True)),
    "chained node": lambda url: Graph(
        _function_node(_chat_openai(url, use_previous_response_id=True))
    ),
    "ResponsesNode": _our_node,
    "ResponsesNode, aiohttp": lambda url: _our_node(url, http="aiohttp"),
    "LangGraph alone": lambda url: Graph(_function_node(_canned_chat(url))),
    "LangGraph over the SDK": lambda url: Graph(_function_node(_canned_chat(url, "httpx"))),
    "LangGraph over the SDK, aiohttp": lambda url: Graph(
        _function_node(_canned_chat(url, "aiohttp"))
    ),
    "OpenAIResponsesModel": _stock_agent,
    "ResponsesModel": _our_agent,
    "ResponsesModel, aiohttp": lambda url: _our_agent(url, http="aiohttp"),
    "PydanticAI alone": _canned_agent,
}
"""By name, as the tables call them: made from the address of a scenario."""
