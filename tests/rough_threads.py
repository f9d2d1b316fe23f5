"""Made-up threads: two agents over two servers, and everything that people and servers do to them.

Every answer is held against what its model saw, and a conversation object of the server against what is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Literal, TypedDict

import openai
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime, get_runtime

from asking import send
from readings import read, wanted
from responses_adapters.errors import ContextMismatchError
from responses_adapters.langgraph import ChatResponses, ResponsesNode, last_response_id
from responses_adapters.profiles import SERVERS, ServerProfile
from responses_adapters.testing import Backend, Context, Turn
from responses_adapters.testing.transport import make_transport

OPENAI, GENERIC = SERVERS["openai"], SERVERS["generic"]
STATELESS = replace(GENERIC, name="stateless", state="replay")
HTTP = openai.DefaultHttpxClient
TURNS = 25
"""Questions in one thread."""

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
        kept: Whether the turn is added to a conversation object of the server, rather than to a chain of responses.
        calls: Tool calls that the model makes before it answers.
        words: Length of the question.
    """

    change: Change = "nothing"
    where: int = 0
    agent: Literal["a", "b"] = "a"
    server: Literal["home", "away"] = "home"
    prompt: str = "You are number 0."
    streams: bool = False
    kept: bool = False
    calls: int = 0
    words: int = 0


def threads(kept: Sequence[bool]) -> st.SearchStrategy[list[Move]]:
    """Moves of one thread; `kept` is how often a turn goes to a conversation object."""
    moves = st.builds(
        Move,
        change=st.sampled_from([change for change, times in CHANGES.items() for _ in range(times)]),
        where=st.integers(0, 99),
        agent=st.sampled_from("aab"),
        server=st.sampled_from(["home"] * 7 + ["away"]),
        prompt=st.sampled_from(["You are number 0."] * 4 + ["You are number 1."]),
        streams=st.booleans(),
        kept=st.sampled_from(kept),
        calls=st.sampled_from([0, 0, 0, 1, 2, 3]),
        words=st.integers(0, 30),
    )
    return st.lists(moves, min_size=TURNS, max_size=TURNS)


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
    conversation: str | None


@dataclass
class Kept:
    """A conversation object as a plain reading has it.

    Attributes:
        id: Its id on the server.
        before: What it held when the thread was added to it; the thread's own messages follow.
        answers: Ids of the responses that were added to it.
    """

    id: str
    before: list[tuple[Any, ...]] = field(default_factory=list)
    answers: set[str] = field(default_factory=set)


@dataclass
class Tally:
    """Sums over threads; `whole` are the items that full replay would have sent."""

    turns: int = 0
    answers: int = 0
    sent: int = 0
    whole: int = 0
    refused: int = 0

    def __str__(self) -> str:
        return (
            f"{self.turns:,} turns, {self.answers:,} answers, 0 mismatches, 0 unexplained errors;"
            f" {self.sent:,} items sent, {self.sent / self.whole:.1%} of full replay;"
            f" {self.refused:,} turns that a conversation object could not follow were refused"
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
        self.kept: dict[str, Kept] = {}
        self.held_before: list[tuple[Any, ...]] = []

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
                model_settings=lambda state, runtime: {
                    "conversation": runtime.context["conversation"]
                },
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
        self._ask(move, tally)
        created = [each.response_id for each in backend.creates if each.response_id]
        seen = dict(zip(created, backend.contexts, strict=True))
        messages = self.messages
        for position in range(before + 1, len(messages)):
            if isinstance(messages[position], AIMessage):
                answer = last_response_id(messages[: position + 1])
                context = seen[answer]
                earlier = self._note(move, str(answer), messages[:position])
                held = earlier + wanted(messages[:position])
                assert read(context) == held, (
                    f"the model saw {read(context)}, the graph held {held}"
                )
                assert context.instructions == move.prompt
                tally.answers += 1
                tally.whole += len(context)
        tally.turns += 1
        tally.sent += sum(len(request.input) for request in backend.creates[requests:])

    def _ask(self, move: Move, tally: Tally) -> None:
        self.calls = move.calls
        update: Any = {
            "messages": [HumanMessage(f"question {next(self.asked)} {'w ' * move.words}")]
        }
        while True:
            try:
                self._run(update, move)
                return
            except (ContextMismatchError, openai.NotFoundError) as error:
                if not move.kept or not self._cannot_follow(move):
                    raise AssertionError("refused for no reason") from error
                tally.refused += 1
                del self.kept[move.server]
                update = None  # the question is in the thread already

    def _run(self, update: Any, move: Move) -> None:
        conversation = self._kept(move.server).id if move.kept else None
        self.held_before = (self._held(move.server) if move.kept else None) or []
        context = Settings(
            agent=move.agent,
            server=move.server,
            prompt=move.prompt,
            conversation=conversation,
        )
        config, self.config = self.config, self.start
        if move.streams:
            for _ in self.graph.stream(update, config, context=context, stream_mode="messages"):
                pass
        else:
            self.graph.invoke(update, config, context=context)

    def _kept(self, server: str) -> Kept:
        """The conversation object in use, or a new one."""
        if server not in self.kept:
            _, body = send(self.servers[server], "POST", "/v1/conversations", {})
            self.kept[server] = Kept(body["id"])
        return self.kept[server]

    def _held(self, server: str) -> list[tuple[Any, ...]] | None:
        """What the conversation object holds, as its server says."""
        conversations = self.servers[server].store.conversations
        found = conversations.get(self.kept[server].id)
        return read(found.items) if found is not None else None

    def _cannot_follow(self, move: Move) -> bool:
        """Whether the conversation is gone, or holds what the messages no longer say."""
        held, kept = self._held(move.server), self.kept[move.server]
        if held is None:
            return True
        view = kept.before + wanted(self.messages)
        return view[: len(held)] != held

    def _note(self, move: Move, answer: str, messages: list[AnyMessage]) -> list[tuple[Any, ...]]:
        """What the model is to see before these messages, now that it has answered them."""
        if not move.kept:
            return []
        kept = self.kept[move.server]
        if not any(last_response_id([message]) in kept.answers for message in messages):
            kept.before = self.held_before  # to the server, all these messages are new
        kept.answers.add(answer)
        return kept.before

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


def play(
    home: Server, away: Server, *, number: int, kept: Sequence[bool] = (False,), **options: Any
) -> Tally:
    """Make up threads and play them; the first that shows a model anything else fails, shortened."""
    tally = Tally()

    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        **options,
    )
    @given(threads(kept))
    @example([replace(move, kept=kept[turn % len(kept)]) for turn, move in enumerate(EVERYTHING)])
    def rough_threads(moves: list[Move]) -> None:
        thread = Thread(home, away)
        for move in moves:
            thread.play(move, tally)

    rough_threads()
    return tally
