"""What goes wrong elsewhere: each scenario is good with our node, and records what two others do with it.

`naive` is the node of the server guides, `chaining` is ChatOpenAI with `use_previous_response_id=True`. Their failures
are expectations too, so that an upstream fix is noticed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph

from responses_adapters.langgraph import ResponsesNode, ResponsesState
from responses_adapters.testing import Backend
from responses_adapters.testing.patch import PatchedTransports

Make = Callable[..., Any]
Scenario = Callable[[Make, Backend], None]
THREAD: Any = {"configurable": {"thread_id": "1"}}
GATEWAY: dict[str, Any] = {"api_key": "sk-gw", "model": "gpt-4.1"}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def chat(base_url: str, **options: Any) -> Runnable[Any, Any]:
    model = ChatOpenAI(
        base_url=base_url, use_responses_api=True, max_retries=0, **GATEWAY, **options
    )
    return model.bind_tools([add])


def ours(base_url: str = "https://gw.test/v1", prompt: str | None = None, **options: Any) -> Any:
    return ResponsesNode(
        "gpt-4.1",
        base_url=base_url,
        api_key="sk-gw",
        server="openai",
        tools=[add],
        instructions=prompt,
        **options,
    )


def prompted(messages: list[BaseMessage], prompt: str | None) -> list[BaseMessage]:
    return [SystemMessage(prompt), *messages] if prompt else messages


def naive(base_url: str = "https://gw.test/v1", prompt: str | None = None, **options: Any) -> Any:
    model = chat(base_url, **options)

    def node(state: ResponsesState) -> Any:
        answer = model.invoke(
            prompted(state["messages"], prompt),
            previous_response_id=state.get("previous_response_id"),
        )
        return {"messages": [answer], "previous_response_id": answer.response_metadata["id"]}

    return node


def chaining(
    base_url: str = "https://gw.test/v1", prompt: str | None = None, **options: Any
) -> Any:
    model = chat(base_url, use_previous_response_id=True, **options)
    return lambda state: {"messages": [model.invoke(prompted(state["messages"], prompt))]}


def graph(*nodes: Any) -> Any:
    """The nodes, one after another."""
    builder = StateGraph(ResponsesState)
    builder.add_sequence([(f"model{index}", node) for index, node in enumerate(nodes)])
    builder.add_edge(START, "model0")
    return builder.compile(checkpointer=InMemorySaver())


def say(app: Any, *texts: str | BaseMessage) -> list[BaseMessage]:
    messages = [HumanMessage(text) if isinstance(text, str) else text for text in texts]
    found: list[BaseMessage] = app.invoke({"messages": messages}, THREAD)["messages"]
    return found


def seen(backend: Backend, *texts: str) -> None:
    assert backend.contexts[-1].texts == list(texts)


def plain_turns(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("two")
    app = graph(make())
    say(app, "a")
    say(app, "b")
    seen(backend, "a", "one", "b")
    assert len(backend.creates[-1].input) == 1


def changed_prompt(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("two")
    app, prompt = graph(make(prompt="Be kind.")), "Be brief."
    messages = say(app, "a")
    other = graph(make(prompt=prompt))
    say(other, *messages, "b")
    context = backend.contexts[-1]
    assert prompt in ([*context.texts, context.instructions])
    assert "Be kind." not in context.texts


def two_agents(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("two")
    app = graph(make(prompt="I am A."), make(prompt="I am B."))
    say(app, "a")
    context = backend.contexts[-1]
    assert "I am B." in [*context.texts, context.instructions]
    assert context.texts[-2:] == ["a", "one"]


def parallel_calls(make: Make, backend: Backend) -> None:
    backend.call_tools(("add", {"a": 1, "b": 1}), ("add", {"a": 2, "b": 2})).then.reply("2 and 4")
    app = graph(make())
    answer = say(app, "a")[-1]
    assert isinstance(answer, AIMessage)
    say(app, *(ToolMessage("n", tool_call_id=str(call["id"])) for call in answer.tool_calls))
    outputs = [item for item in backend.contexts[-1] if item["type"] == "function_call_output"]
    assert len(outputs) == 2


def malformed_call(make: Make, backend: Backend) -> None:
    backend.call_tool("add", '{"a": ').then.reply("sorry")
    app = graph(make())
    say(app, "a")
    assert say(app, "b")[-1].text == "sorry"


def talking_over_a_call(make: Make, backend: Backend) -> None:
    backend.call_tool("add", a=1, b=1).then.reply("ok")
    app = graph(make())
    say(app, "a")
    assert say(app, "never mind")[-1].text == "ok"


def removed_message(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("two")
    app = graph(make())
    say(app, "SECRET")
    first = app.get_state(THREAD).values["messages"][0]
    say(app, RemoveMessage(id=first.id), "b")
    seen(backend, "one", "b")


def trimmed_history(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("two").then.reply("three")
    app = graph(make())
    say(app, "a")
    say(app, "b")
    old = app.get_state(THREAD).values["messages"][:2]
    say(app, *(RemoveMessage(id=message.id) for message in old), "c")
    seen(backend, "b", "two", "c")


def edited_answer(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("two")
    app = graph(make())
    answer = say(app, "a")[-1]
    say(app, answer.model_copy(update={"content": [{"type": "text", "text": "better"}]}), "b")
    seen(backend, "a", "better", "b")


def time_travel(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("two").then.reply("fork")
    app = graph(make())
    say(app, "a")
    past = app.get_state(THREAD).config
    say(app, "b")
    app.invoke({"messages": [HumanMessage("c")]}, past)
    seen(backend, "a", "one", "c")


def foreign_answer(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("three")
    app = graph(make())
    say(app, "a")
    say(app, "b", AIMessage("two"), "c")
    seen(backend, "a", "one", "b", "two", "c")


def another_server(make: Make, backend: Backend) -> None:
    backend.reply("one")
    app = graph(make())
    messages = say(app, "a")
    backend.forget()
    backend.reply("two")
    say(graph(make("https://other.test/v1")), *messages, "b")
    seen(backend, "a", "one", "b")
    assert [each.status for each in backend.creates] == [200, 200]


def lost_response(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("two")
    app = graph(make())
    say(app, "a")
    backend.forget()
    say(app, "b")
    seen(backend, "a", "one", "b")


def silent_amnesia(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("wrong").then.reply("two")
    app = graph(make())
    say(app, "a")
    backend.ignore_previous_id()
    say(app, "b")
    seen(backend, "a", "one", "b")


def unstored_response(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("two")
    app = graph(make(store=False))
    say(app, "a")
    say(app, "b")
    seen(backend, "a", "one", "b")


def cut_stream(make: Make, backend: Backend) -> None:
    backend.reply("one two three").truncate(after=6)
    app = graph(make(streaming=True))
    assert say(app, "a")[-1].text == "one two three"


def failed_response(make: Make, backend: Backend) -> None:
    backend.fail_turn("server_error", "down")
    with pytest.raises(Exception, match="down"):
        say(graph(make()), "a")
    assert len(backend.creates) == 1


def background_response(make: Make, backend: Backend) -> None:
    backend.background(polls=1).reply("done")
    options: dict[str, Any] = {"background": True, "poll_interval": 0.001}
    if make is not ours:
        options = {"extra_body": {"background": True}}
    assert say(graph(make(**options)), "a")[-1].text == "done"


def unknown_item(make: Make, backend: Backend) -> None:
    item = {"type": "acme:search", "id": "as_1", "status": "completed", "result": {"n": 1}}
    backend.respond([item]).then.reply("ok")
    app = graph(make())
    say(app, "a")
    backend.forget()
    say(app, "b")
    assert item in list(backend.contexts[-1])


# Each scenario, and who fails it.
SCENARIOS: dict[Scenario, set[Make]] = {
    plain_turns: {naive},
    changed_prompt: {chaining},
    two_agents: {naive, chaining},
    parallel_calls: {naive},
    malformed_call: {naive, chaining},
    talking_over_a_call: {naive, chaining},
    removed_message: {naive, chaining},
    trimmed_history: {naive, chaining},
    edited_answer: {naive, chaining},
    time_travel: {naive},
    foreign_answer: {naive},
    another_server: {chaining},
    lost_response: {naive, chaining},
    silent_amnesia: {naive, chaining},
    unstored_response: {naive, chaining},
    cut_stream: {naive, chaining},
    failed_response: set(),
    background_response: {naive, chaining},
    unknown_item: {naive, chaining},
}
ROWS = [
    pytest.param(scenario, make, make not in fails, id=f"{scenario.__name__}-{make.__name__}")
    for scenario, fails in SCENARIOS.items()
    for make in (ours, naive, chaining)
]


@pytest.mark.parametrize(("scenario", "make", "good"), ROWS)
def test_the_scenario_is_good_or_fails_as_recorded(
    scenario: Scenario, make: Make, good: bool
) -> None:
    failure: Exception | None = None
    with PatchedTransports(backend := Backend()):
        try:
            scenario(make, backend)
            backend.verify()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is recorded
            failure = error
    if good and failure is not None:
        raise failure
    assert (failure is None) is good
