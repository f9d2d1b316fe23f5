"""Whatever is done to a thread and to its servers, the model sees exactly the messages that the graph holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Literal, TypedDict

import openai
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime, get_runtime

from responses_adapters.langgraph import ChatResponses, ResponsesNode, last_response_id
from responses_adapters.profiles import SERVERS, ServerProfile
from responses_adapters.protocol.chain import Ledger, Plan
from responses_adapters.testing import Backend, Context, Turn
from responses_adapters.testing.transport import make_transport

OPENAI, GENERIC = SERVERS["openai"], SERVERS["generic"]
STATELESS = replace(GENERIC, name="stateless", state="replay")
HTTP = openai.DefaultHttpxClient
TURNS = 25
"""Questions in one thread."""
SHORT, DEEP = 4, 40
"""Threads for each pair of servers; the short ones are the same every time, the deep ones never."""

Change = Literal["nothing", "edit", "edit a call", "remove", "trim", "summarise", "fork", "lose"]
CHANGES: dict[Change, int] = {
    "nothing": 18,
    "edit": 1,
    "edit a call": 1,
    "remove": 1,
    "trim": 1,
    "summarise": 1,
    "fork": 3,
    "lose": 1,
}
"""What happens to a thread between two turns, and how often out of 27."""


@dataclass(frozen=True)
class Move:
    """What happens to the thread, then one turn of it.

    Attributes:
        where: Which message or checkpoint the change is made to.
        calls: Tool calls that the model makes before it answers.
        words: Length of the question.
    """

    change: Change = "nothing"
    where: int = 0
    agent: Literal["a", "b"] = "a"
    server: Literal["home", "away"] = "home"
    prompt: str = "You are number 0."
    streams: bool = False
    calls: int = 0
    words: int = 0


THREADS = st.lists(
    st.builds(
        Move,
        change=st.sampled_from([change for change, times in CHANGES.items() for _ in range(times)]),
        where=st.integers(0, 99),
        agent=st.sampled_from("aab"),
        server=st.sampled_from(["home"] * 7 + ["away"]),
        prompt=st.sampled_from(["You are number 0."] * 4 + ["You are number 1."]),
        streams=st.booleans(),
        calls=st.sampled_from([0, 0, 0, 1, 2, 3]),
        words=st.integers(0, 30),
    ),
    min_size=TURNS,
    max_size=TURNS,
)


EVERYTHING = [
    Move(
        change=change,
        where=turn,
        agent="b" if turn % 5 == 4 else "a",
        server="away" if turn % 8 == 7 else "home",
        prompt=f"You are number {turn // 12}.",
        streams=turn % 2 == 0,
        calls=turn % 4,
        words=turn,
    )
    for turn, change in enumerate(
        change if after == 2 else "nothing" for change in CHANGES for after in range(3)
    )
]
"""A thread to which everything happens."""


@dataclass(frozen=True)
class Server:
    """A server as it is, and as the model has been told it is."""

    profile: ServerProfile
    prepare: Callable[[Backend], Any] = lambda backend: None


STATEFUL = Server(OPENAI)
UNKNOWN = Server(GENERIC)
KEEPS_NOTHING = Server(STATELESS, lambda backend: backend.ignore_previous_id())
FORGETFUL = Server(GENERIC, lambda backend: backend.ignore_previous_id())
LYING = Server(GENERIC, lambda backend: backend.ignore_previous_id(echo=True))


class Settings(TypedDict):
    agent: str
    server: str
    prompt: str


@dataclass
class Tally:
    """Sums over threads; `whole` are the items that full replay would have sent."""

    turns: int = 0
    answers: int = 0
    sent: int = 0
    whole: int = 0

    def __str__(self) -> str:
        return (
            f"{self.turns:,} turns, {self.answers:,} answers, 0 mismatches, 0 errors;"
            f" {self.sent:,} items sent, {self.sent / self.whole:.1%} of full replay"
        )


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Thread:
    """Two agents on a graph that share messages and tools, over two servers that may fail them.

    Its model calls as many tools as it is told, and never says the same twice.
    """

    def __init__(self, home: Server, away: Server) -> None:
        self.servers = {"home": self._backend(home, 1), "away": self._backend(away, 2)}
        self.graph = self._graph({"home": home.profile, "away": away.profile})
        self.start: Any = {"configurable": {"thread_id": "rough"}}
        self.config = self.start
        self.asked = count(1)
        self.said = count(1)
        self.calls = 0

    def _backend(self, server: Server, seed: int) -> Backend:
        backend = Backend(seed=seed, brain=self._speak)
        server.prepare(backend)
        return backend

    def _speak(self, context: Context) -> Turn | str:
        number = next(self.said)
        if self.calls == 0 or context[-1].get("role") != "user":
            return f"answer {number} " + "word " * (number % 20)
        turn = Turn().reply(f"wait {number}") if number % 3 == 0 else Turn()
        return turn.call_tools(*[("add", {"a": number, "b": i}) for i in range(self.calls)])

    def _graph(self, profiles: dict[str, ServerProfile]) -> Any:
        nodes = {
            name: ResponsesNode(
                ChatResponses(
                    "m",
                    server=profile,
                    base_url=f"https://{name}.test/v1",
                    api_key="sk-test",
                    http_client=HTTP(transport=make_transport(self.servers[name])),
                ),
                tools=[add],
                instructions=lambda state, runtime: runtime.context["prompt"],
            )
            for name, profile in profiles.items()
        }

        def agent(state: MessagesState) -> Any:
            return nodes[get_runtime(Settings).context["server"]].invoke(state)

        def chosen(state: MessagesState, runtime: Runtime[Settings]) -> str:
            return runtime.context["agent"]

        def after(state: MessagesState) -> str:
            last = state["messages"][-1]
            return "tools" if isinstance(last, AIMessage) and last.tool_calls else "__end__"

        graph = StateGraph(MessagesState, context_schema=Settings)
        graph.add_node("a", agent)
        graph.add_node("b", agent)
        graph.add_node("tools", ToolNode([add]))
        graph.add_conditional_edges(START, chosen, ["a", "b"])
        graph.add_conditional_edges("tools", chosen, ["a", "b"])
        graph.add_conditional_edges("a", after, ["tools", "__end__"])
        graph.add_conditional_edges("b", after, ["tools", "__end__"])
        return graph.compile(checkpointer=InMemorySaver())

    @property
    def messages(self) -> list[AnyMessage]:
        found: list[AnyMessage] = self.graph.get_state(self.config).values.get("messages", [])
        return found

    def play(self, move: Move, tally: Tally) -> None:
        """Make the move, and hold every new answer against what its model saw."""
        self._change(move)
        backend = self.servers[move.server]
        before, requests = len(self.messages), len(backend.creates)
        self._ask(move)
        created = [each.response_id for each in backend.creates if each.response_id]
        seen = dict(zip(created, backend.contexts, strict=True))
        messages = self.messages
        for position in range(before + 1, len(messages)):
            if isinstance(messages[position], AIMessage):
                context = seen[last_response_id(messages[: position + 1])]
                assert [shown(item) for item in context] == wanted(messages[:position])
                assert context.instructions == move.prompt
                tally.answers += 1
                tally.whole += len(context)
        tally.turns += 1
        tally.sent += sum(len(request.input) for request in backend.creates[requests:])

    def _ask(self, move: Move) -> None:
        self.calls = move.calls
        question = {"messages": [HumanMessage(f"question {next(self.asked)} {'w ' * move.words}")]}
        context = Settings(agent=move.agent, server=move.server, prompt=move.prompt)
        if move.streams:
            for _ in self.graph.stream(
                question, self.config, context=context, stream_mode="messages"
            ):
                pass
        else:
            self.graph.invoke(question, self.config, context=context)
        self.config = self.start

    def _change(self, move: Move) -> None:
        """Do to the thread what people do to threads."""
        if move.change == "lose":
            self.servers[move.server].forget()
        elif not (messages := self.messages):
            return
        elif move.change == "fork":
            past = [
                each
                for each in self.graph.get_state_history(self.config, limit=12)
                if each.values.get("messages")
            ]
            self.config = past[move.where % len(past)].config
        elif update := updates(move, messages):
            self.config = self.graph.update_state(self.config, {"messages": update}, as_node="a")


def updates(move: Move, messages: list[AnyMessage]) -> list[Any]:
    """The state update that makes this change."""
    message = messages[move.where % len(messages)]
    calls = [each for each in messages if isinstance(each, AIMessage) and each.tool_calls]
    match move.change:
        case "edit":
            content: Any = f"edited {move.where}"
            if isinstance(message, AIMessage):
                content = [
                    {**block, "text": content} if block["type"] == "text" else block
                    for block in message.content
                ]
            return [message.model_copy(update={"content": content})]
        case "edit a call" if calls:
            message = calls[move.where % len(calls)]
            first, *rest = message.tool_calls
            edited = [{**first, "args": {"a": -1, "b": move.where}}, *rest]
            return [message.model_copy(update={"tool_calls": edited})]
        case "remove":
            return [RemoveMessage(id=str(message.id))]
        case "trim":
            return [RemoveMessage(id=str(each.id)) for each in messages[:-3]]
        case "summarise" if len(messages) > 4:
            everything = RemoveMessage(id=REMOVE_ALL_MESSAGES)
            return [everything, HumanMessage(f"So far: {move.where}"), *messages[-4:]]
    return []


def shown(item: dict[str, Any]) -> tuple[Any, ...]:
    """What an item says to the model."""
    match item["type"]:
        case "function_call":
            return ("call", item["call_id"], json.loads(item["arguments"]))
        case "function_call_output":
            return ("output", item["call_id"], item["output"])
        case _:
            parts = item["content"]
            text = parts if isinstance(parts, str) else "".join(part["text"] for part in parts)
            return (item["role"], text)


def wanted(messages: list[AnyMessage]) -> list[tuple[Any, ...]]:
    """What these messages must say to the model, by the plain reading of them."""
    view: list[tuple[Any, ...]] = []
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
            view += [("call", call["id"], call["args"]) for call in message.tool_calls]
            for call in message.tool_calls:
                output = "Error: this call was not run."
                for later in range(position + 1, len(messages)):
                    candidate = messages[later]
                    if isinstance(candidate, ToolMessage) and candidate.tool_call_id == call["id"]:
                        answered.add(later)
                        output = candidate.text
                        break
                view.append(("output", call["id"], output))
    return view


def play(home: Server, away: Server, *, threads: int, **options: Any) -> Tally:
    """Make up threads and play them; the first that shows a model anything else fails, shortened."""
    tally = Tally()

    @settings(
        max_examples=threads,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        **options,
    )
    @given(THREADS)
    @example(EVERYTHING)
    def rough_threads(moves: list[Move]) -> None:
        thread = Thread(home, away)
        for move in moves:
            thread.play(move, tally)

    rough_threads()
    return tally


@pytest.mark.parametrize(
    "threads", [SHORT, pytest.param(DEEP, marks=pytest.mark.deep)], ids=["short", "deep"]
)
@pytest.mark.parametrize(
    ("home", "away", "share"),
    [
        pytest.param(STATEFUL, STATEFUL, 0.4, id="stateful"),
        pytest.param(STATEFUL, LYING, 0.6, id="stateful, away lying"),
        pytest.param(UNKNOWN, UNKNOWN, 0.6, id="unknown but stateful"),
        pytest.param(FORGETFUL, FORGETFUL, 1.1, id="unknown and forgetful"),
        pytest.param(LYING, LYING, 1.1, id="unknown and lying"),
        pytest.param(FORGETFUL, STATEFUL, 1.1, id="forgetful, away stateful"),
        pytest.param(KEEPS_NOTHING, KEEPS_NOTHING, 1.0, id="stateless"),
    ],
)
def test_the_model_sees_exactly_the_messages_of_the_graph_in_rough_threads(
    home: Server, away: Server, share: float, threads: int, request: pytest.FixtureRequest
) -> None:
    tally = play(home, away, threads=threads, derandomize=threads == SHORT)
    print(f"\n{request.node.callspec.id}: {tally}", end=" ")
    assert tally.turns >= threads * TURNS
    assert tally.sent <= share * tally.whole


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
    server = Server(OPENAI, lambda backend: backend.configure(strict_pairs=False))
    with pytest.raises(AssertionError, match="=="):
        play(server, server, threads=SHORT, derandomize=True, phases=[Phase.generate])
