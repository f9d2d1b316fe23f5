"""Whatever is done to a thread, the model sees exactly the messages that the graph holds."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypedDict

import openai
import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime

from responses_adapters.langgraph import ChatResponses, ResponsesNode
from responses_adapters.profiles import SERVERS, ServerProfile
from responses_adapters.protocol.chain import Ledger, Plan
from responses_adapters.testing import Backend, Context, Turn
from responses_adapters.testing.transport import make_transport

OPENAI, GENERIC = SERVERS["openai"], SERVERS["generic"]
STATELESS = replace(GENERIC, name="stateless", state="replay")
HTTP = openai.DefaultHttpxClient
TURNS = 25


class Settings(TypedDict):
    agent: str
    prompt: str


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def speaker(rng: random.Random) -> Callable[[Context], Turn | str]:
    """A model that sometimes calls tools, and never says the same twice."""

    def speak(context: Context) -> Turn | str:
        if context[-1].get("role") == "user" and rng.random() < 0.4:
            turn = Turn()
            if rng.random() < 0.3:
                turn = turn.reply(f"wait {rng.random()}")
            names = ["add"] * rng.randint(1, 3)
            return turn.call_tools(*((name, {"a": rng.randrange(9), "b": 1}) for name in names))
        return f"answer {rng.random()} " + "word " * rng.randrange(20)

    return speak


def thread(backend: Backend, profile: ServerProfile) -> Any:
    """Two agents that share messages and tools, each with its own changing prompt."""

    def agent(base_url: str) -> ResponsesNode:
        model = ChatResponses(
            "m",
            server=profile,
            base_url=base_url,
            api_key="sk-test",
            http_client=HTTP(transport=make_transport(backend)),
        )
        return ResponsesNode(
            model,
            tools=[add],
            instructions=lambda state, runtime: runtime.context["prompt"],
        )

    def chosen(state: MessagesState, runtime: Runtime[Settings]) -> str:
        return runtime.context["agent"]

    def after(state: MessagesState) -> str:
        last = state["messages"][-1]
        return "tools" if isinstance(last, AIMessage) and last.tool_calls else "__end__"

    graph = StateGraph(MessagesState, context_schema=Settings)
    graph.add_node("a", agent("https://one.test/v1"))
    graph.add_node("b", agent("https://one.test/v1"))
    graph.add_node("tools", ToolNode([add]))
    graph.add_conditional_edges(START, chosen, ["a", "b"])
    graph.add_conditional_edges("tools", chosen, ["a", "b"])
    graph.add_conditional_edges("a", after, ["tools", "__end__"])
    graph.add_conditional_edges("b", after, ["tools", "__end__"])
    return graph.compile(checkpointer=InMemorySaver())


def shown(item: dict[str, Any]) -> tuple[str, ...]:
    """What an item says to the model."""
    match item["type"]:
        case "function_call":
            return ("call", item["call_id"], item["arguments"].replace(" ", ""))
        case "function_call_output":
            return ("output", item["call_id"], item["output"])
        case _:
            parts = item["content"]
            text = parts if isinstance(parts, str) else "".join(part["text"] for part in parts)
            return (item["role"], text)


def wanted(messages: list[AnyMessage]) -> list[tuple[str, ...]]:
    """What these messages must say to the model, by the plain reading of them."""
    view: list[tuple[str, ...]] = []
    answered: set[int] = set()
    for position, message in enumerate(messages):
        if isinstance(message, HumanMessage):
            view.append(("user", message.text))
        elif isinstance(message, ToolMessage) and position not in answered:
            view.append(
                ("user", f"Output of the earlier call {message.tool_call_id}:{message.text}")
            )
        elif isinstance(message, AIMessage):
            if message.text:
                view.append(("assistant", message.text))
            arguments = [
                str(call["args"]).replace("'", '"').replace(" ", "") for call in message.tool_calls
            ]
            view += [
                ("call", str(c["id"]), a)
                for c, a in zip(message.tool_calls, arguments, strict=True)
            ]
            for call in message.tool_calls:
                output = "Error: this call was not run."
                for later in range(position + 1, len(messages)):
                    candidate = messages[later]
                    if isinstance(candidate, ToolMessage) and candidate.tool_call_id == call["id"]:
                        answered.add(later)
                        output = candidate.text
                        break
                view.append(("output", str(call["id"]), output))
    return view


def disturb(graph: Any, config: Any, rng: random.Random, backend: Backend, lose: bool) -> Any:
    """Do to the thread what people do to threads; the configuration to go on from."""
    messages = graph.get_state(config).values.get("messages", [])
    if not messages:
        return config
    index = rng.randrange(len(messages))
    update: list[Any] = []
    match rng.randrange(14):
        case 0:
            message = messages[index]
            content: Any = f"edited {rng.random()}"
            if isinstance(message, AIMessage):
                content = [
                    {**block, "text": content} if block["type"] == "text" else block
                    for block in message.content
                ]
            update = [message.model_copy(update={"content": content})]
        case 1:
            update = [RemoveMessage(id=messages[index].id)]
        case 2 if len(messages) > 4:
            update = [RemoveMessage(id=message.id) for message in messages[:-3]]
        case 3:
            calls = [m for m in messages if isinstance(m, AIMessage) and m.tool_calls]
            if calls:
                message = rng.choice(calls)
                first, *rest = message.tool_calls
                edited = [{**first, "args": {"a": 7, "b": rng.randrange(99)}}, *rest]
                update = [message.model_copy(update={"tool_calls": edited})]
        case 4 | 5:
            past = [
                s for s in graph.get_state_history(config, limit=12) if s.values.get("messages")
            ]
            return rng.choice(past).config
        case 6 if lose:
            backend.forget()
    if update:
        return graph.update_state(config, {"messages": update}, as_node="a")
    return config


def stress(
    backend: Backend, profile: ServerProfile, seed: int, *, lose: bool
) -> tuple[int, int, int]:
    """One rough thread: mismatches, items sent, items that a full replay would have sent."""
    rng = random.Random(seed)
    graph = thread(backend, profile)
    config: Any = {"configurable": {"thread_id": str(seed)}}
    mismatches = sent = held = 0
    for turn in range(TURNS):
        config = disturb(graph, config, rng, backend, lose)
        settings = Settings(
            agent=rng.choice("aab"), prompt=f"You are number {rng.randrange(5) // 4}."
        )
        before = len(backend.contexts)
        requests = len(backend.creates)
        question = HumanMessage(f"question {turn} " + "word " * rng.randrange(30))
        if rng.random() < 0.5:
            for _ in graph.stream(
                {"messages": [question]}, config, context=settings, stream_mode="messages"
            ):
                pass
        else:
            graph.invoke({"messages": [question]}, config, context=settings)
        config = {"configurable": {"thread_id": str(seed)}}
        messages = graph.get_state(config).values["messages"]
        context = backend.contexts[-1]
        if [shown(item) for item in context] != wanted(messages[:-1]):
            mismatches += 1
        mismatches += context.instructions != settings["prompt"]
        sent += sum(len(request.input) for request in backend.creates[requests:])
        held += sum(len(each) for each in backend.contexts[before:])
    return mismatches, sent, held


def total(
    profile: ServerProfile, seeds: range, prepare: Callable[[Backend], None], *, lose: bool
) -> Any:
    rows = []
    for seed in seeds:
        backend = Backend(seed=seed, brain=speaker(random.Random(seed)))
        prepare(backend)
        rows.append(stress(backend, profile, seed, lose=lose))
    return [sum(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize(
    ("profile", "prepare", "lose", "share"),
    [
        (OPENAI, lambda backend: None, False, 0.4),
        (OPENAI, lambda backend: None, True, 0.6),
        (GENERIC, lambda backend: None, False, 0.6),
        (GENERIC, lambda backend: backend.ignore_previous_id(), False, 1.1),
        (STATELESS, lambda backend: None, False, 1.0),
    ],
    ids=[
        "stateful",
        "stateful with losses",
        "unknown but stateful",
        "unknown and forgetful",
        "stateless",
    ],
)
def test_the_model_sees_exactly_the_messages_of_the_graph_in_rough_threads(
    profile: ServerProfile, prepare: Callable[[Backend], None], lose: bool, share: float
) -> None:
    mismatches, sent, held = total(profile, range(10), prepare, lose=lose)
    assert mismatches == 0
    assert sent <= share * held


def test_the_test_notices_a_plan_that_always_sends_a_delta(monkeypatch: pytest.MonkeyPatch) -> None:
    def newest(self: Ledger, **_: Any) -> Plan:
        for index in range(len(self.entries) - 2, -1, -1):
            if stamp := self.entries[index].stamp:
                return Plan(
                    how="delta",
                    start=index + 1,
                    previous_response_id=stamp["id"],
                    why="blind",
                    anchor=stamp,
                )
        return self.replay("first turn")

    monkeypatch.setattr(Ledger, "plan", newest)
    mismatches, _, _ = total(
        OPENAI, range(2), lambda backend: backend.configure(strict_pairs=False), lose=False
    )
    assert mismatches > 10
