"""What goes wrong elsewhere: each scenario is good with our node, and records what two others do with it.

`naive` is the node of the server guides, `chaining` is ChatOpenAI with `use_previous_response_id=True`. Their failures
are expectations too, so that an upstream fix is noticed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
    convert_to_openai_messages,
)
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from asking import send
from peers import THREAD, Make, chaining, graph, naive, ours, say, seen
from responses_adapters.errors import BackgroundTimeoutError
from responses_adapters.testing import Backend
from responses_adapters.testing.patch import PatchedTransports

Scenario = Callable[[Make, Backend], None]


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


def repeated_prompt(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("two")
    app = graph(make(prompt="Be kind."))
    say(app, "a")
    say(app, "b")
    context = backend.contexts[-1]
    assert [*context.texts, context.instructions].count("Be kind.") == 1
    assert context.texts[-3:] == ["a", "one", "b"]


def one_malformed_call(make: Make, backend: Backend) -> None:
    backend.call_tools(("add", {"a": 1, "b": 1}), ("add", '{"a": ')).then.reply("2, I think")
    app = graph(make())
    answer = say(app, "a")[-1]
    assert isinstance(answer, AIMessage)
    (good,) = answer.tool_calls
    assert say(app, ToolMessage("2", tool_call_id=str(good["id"])))[-1].text == "2, I think"


def trimmed_window(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("two").then.reply("three")
    node = make()
    invoke = getattr(node, "invoke", node)
    app = graph(lambda state: invoke({**state, "messages": state["messages"][-3:]}))
    for text in "abc":
        say(app, text)
    seen(backend, "b", "two", "c")


def edited_answer_without_metadata(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("two")
    app = graph(make())
    answer = say(app, "a")[-1]
    say(app, AIMessage("better", id=answer.id), "b")
    seen(backend, "a", "better", "b")


def summarised_history(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("two").then.reply("three")
    app = graph(make())
    say(app, "a")
    kept = say(app, "b")[2:]
    say(app, RemoveMessage(id=REMOVE_ALL_MESSAGES), HumanMessage("So far: a"), *kept, "c")
    seen(backend, "So far: a", "b", "two", "c")


def cleared_tool_output(make: Make, backend: Backend) -> None:
    backend.call_tool("add", a=1, b=1).then.reply("two").then.reply("ok")
    app = graph(make())
    answer = say(app, "a")[-1]
    assert isinstance(answer, AIMessage)
    say(app, output := ToolMessage("a long one", tool_call_id=str(answer.tool_calls[0]["id"])))
    say(app, output.model_copy(update={"content": "[cleared]"}), "b")
    assert [item["output"] for _, item in backend.contexts[-1].calls() if item] == ["[cleared]"]


def plain_ids(make: Make, backend: Backend) -> None:
    prefixed = backend.ids.new
    backend.ids.new = lambda prefix, length=48: prefixed(prefix, length).removeprefix("resp_")  # type: ignore[method-assign]
    backend.reply("one").then.reply("two")
    app = graph(make())
    say(app, "a")
    say(app, "b")
    seen(backend, "a", "one", "b")
    assert len(backend.creates[-1].input) == 1


def lost_response_as_404(make: Make, backend: Backend) -> None:
    backend.lose_previous_as(404, code="response_not_found")
    lost_response(make, backend)


def broken_connection(make: Make, backend: Backend) -> None:
    backend.reply("one two three").disconnect(after=6)
    app = graph(make(streaming=True))
    assert say(app, "a")[-1].text == "one two three"


def incomplete_response(make: Make, backend: Backend) -> None:
    backend.reply("one two").incomplete().then.reply("three")
    app = graph(make())
    answer = say(app, "a")[-1]
    assert answer.response_metadata["status"] == "incomplete"
    say(app, "b")
    assert backend.creates[-1].previous_response_id is None
    assert backend.contexts[-1].texts == ["a", answer.text, "b"]


def failed_without_a_word(make: Make, backend: Backend) -> None:
    backend.leave_out("error").reply("half").fail_turn()
    with pytest.raises(Exception, match="failed"):
        say(graph(make()), "a")


def tool_turn_of_orq(make: Make, backend: Backend) -> None:
    backend.configure(name="generic", tool_turn_status="requires_action")
    backend.call_tool("add", a=1, b=1).then.reply("two")
    app = graph(make())
    answer = say(app, "a")[-1]
    assert isinstance(answer, AIMessage)
    assert answer.response_metadata["status"] == "requires_action"
    say(app, ToolMessage("2", tool_call_id=str(answer.tool_calls[0]["id"])))
    assert len(backend.creates[-1].input) == 1


def cancelled_response(make: Make, backend: Backend) -> None:
    backend.background(polls=9).reply("never").then.reply("two")
    options: dict[str, Any] = {"background": True, "poll_interval": 0.001, "poll_timeout": 0.003}
    if make is not ours:
        options = {"extra_body": {"background": True}}
    app = graph(make(**options))
    with suppress(BackgroundTimeoutError):
        say(app, "a")
    send(backend, "POST", f"/v1/responses/{backend.creates[0].response_id}/cancel")
    backend.background(polls=0)
    say(app, "b")
    seen(backend, "a", "b")


def sealed_reasoning(make: Make, backend: Backend) -> None:
    backend.reason("hm", encrypted=True).reply("one").then.reply("two")
    sealed = {"store": False, "include": ["reasoning.encrypted_content"]}
    app = graph(make(**sealed))
    say(app, "a")
    say(app, "b")
    kinds = [item["type"] for item in backend.contexts[-1]]
    assert kinds == ["message", "reasoning", "message", "message"]


def stripped_history(make: Make, backend: Backend) -> None:
    backend.reply("one").then.reply("two")
    history = convert_to_openai_messages(say(graph(make()), "a"))
    graph(make()).invoke({"messages": [*history, HumanMessage("b")]}, THREAD)
    seen(backend, "a", "one", "b")


# Each scenario, and who fails it.
SCENARIOS: dict[Scenario, set[Make]] = {
    plain_turns: {naive},
    repeated_prompt: {naive},
    one_malformed_call: {naive, chaining},
    trimmed_window: {naive, chaining},
    edited_answer_without_metadata: {naive},
    summarised_history: {naive, chaining},
    cleared_tool_output: {naive, chaining},
    plain_ids: {naive, chaining},
    lost_response_as_404: {naive, chaining},
    broken_connection: {naive, chaining},
    incomplete_response: {naive, chaining},
    failed_without_a_word: {naive, chaining},
    tool_turn_of_orq: {naive},
    cancelled_response: {naive, chaining},
    sealed_reasoning: {naive, chaining},
    stripped_history: set(),
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
    failure: BaseException | None = None
    with PatchedTransports(backend := Backend()):
        try:
            scenario(make, backend)
            backend.verify()
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - whatever it is, it is recorded
            failure = error
    if good and failure is not None:
        raise failure
    assert (failure is None) is good
