"""What a thread of 50 turns sends: a node that passes on the whole thread, and `ResponsesNode`.

    python tests/benchmarks/draw_bytes.py

It plays the thread twice against the fake, weighs the body of every request, draws `cookbook/bytes.svg`, and
prints the sentence that stands beside the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from responses_adapters.langgraph import ResponsesNode
from responses_adapters.testing import Backend, PatchedTransports

PICTURE = Path(__file__).parents[2] / "cookbook" / "bytes.svg"
TURNS = 50
QUESTION = "Which rooms are free on day {} from ten to noon, for eight people, with a whiteboard?"
ANSWER = """\
Birch and Cedar are free. Birch seats ten and has a screen of 75 inches and a whiteboard across one wall; Cedar \
seats twelve, with a projector and two whiteboards on wheels. Birch is next to the kitchen, Cedar has the better \
air. Shall I book one of them, and should I send the invitation to everybody who came last time?"""


def check_room(room: str, day: int, start: str, end: str) -> str:
    """Check whether a room is free, and what is in it."""
    return f"{room} is free on day {day} from {start} to {end}."


def whole_thread(llm: Any) -> Callable[[MessagesState], Any]:
    """The node of most tutorials."""
    return lambda state: {"messages": [llm.invoke(state["messages"])]}


def weigh(make_node: Callable[[Any], Any]) -> list[int]:
    """Bytes of the request body of each turn."""
    backend = Backend("openai")
    backend.on().reply(ANSWER).always()
    llm = ChatOpenAI(
        model="gpt-5.2", base_url="https://api.openai.com/v1", api_key="sk-", use_responses_api=True
    )
    builder = StateGraph(MessagesState)
    builder.add_node("model", make_node(llm.bind_tools([check_room])))
    builder.add_edge(START, "model")
    graph = builder.compile(checkpointer=InMemorySaver())
    with PatchedTransports(backend):
        for day in range(1, TURNS + 1):
            asked = {"messages": QUESTION.format(day)}
            graph.invoke(asked, {"configurable": {"thread_id": "1"}})
    return [len(request.body) for request in backend.creates]


def caption(naive: Sequence[int], ours: Sequence[int]) -> str:
    """The sentence beside the picture."""
    return (
        f"In a thread of {TURNS} turns, a node that passes on the whole thread sent {_kb(sum(naive))},"
        f" `ResponsesNode` {_kb(sum(ours))}; the last request was {_kb(naive[-1])} against {_kb(ours[-1])}."
    )


def draw(naive: Sequence[int], ours: Sequence[int]) -> str:
    """Two panels as SVG: each request, and all of them so far."""
    each = _panel("Size of each request", 0, naive, ours)
    total = _panel("All requests so far", 410, list(accumulate(naive)), list(accumulate(ours)))
    return f"{HEAD}\n{each}\n{total}\n</svg>\n"


HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 320" role="img">
<title>Bytes sent in a thread: each request, and all requests so far</title>
<style>
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #59636e }
.title { font-size: 15px; font-weight: 600; fill: #1f2328 }
.name { font-weight: 600 }
.grid { stroke: #dfe4e9 }
.naive { color: #bc4c00 }
.ours { color: #0969da }
.line { fill: none; stroke: currentColor; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round }
.area { fill: currentColor; fill-opacity: .1 }
circle, .name { fill: currentColor }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 }
.title { fill: #f0f6fc }
.grid { stroke: #30363d }
.naive { color: #f0883e }
.ours { color: #58a6ff }
.name { fill: currentColor }
}
</style>"""
LEFT, RIGHT, TOP, BOTTOM = 52, 378, 58, 272


def _panel(title: str, shift: int, naive: Sequence[int], ours: Sequence[int]) -> str:
    step = next(s for p in range(3, 9) for s in (10**p, 2 * 10**p) if max(naive) <= 5 * s)
    top = -(-max(naive) // step) * step

    def x(turn: int) -> float:
        return round(LEFT + (RIGHT - LEFT) * (turn - 1) / (TURNS - 1), 2)

    def y(size: int) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * size / top, 2)

    parts = [f'<g transform="translate({shift})">', _text(LEFT, 24, title, "title", "start")]
    for tick in range(0, top + 1, step):
        parts.append(f'<path class="grid" d="M{LEFT},{y(tick)}H{RIGHT}"/>')
        label = _kb(tick) if tick == top else f"{tick / 1000:g}"
        parts.append(_text(LEFT - 8, y(tick) + 4.5, label, "tick", "end"))
    turns = (1, *range(10, TURNS + 1, 10))
    parts += [_text(x(turn), BOTTOM + 20, str(turn), "tick") for turn in turns]
    parts.append(_text((LEFT + RIGHT) / 2, BOTTOM + 40, "turn", "tick"))
    for kind, name, sizes in (("naive", "whole thread", naive), ("ours", "ResponsesNode", ours)):
        line = " ".join(f"{x(turn)},{y(size)}" for turn, size in enumerate(sizes, 1))
        end = y(sizes[-1])
        parts += [
            f'<g class="{kind}">',
            f'<polygon class="area" points="{LEFT},{BOTTOM} {line} {RIGHT},{BOTTOM}"/>',
            f'<polyline class="line" points="{line}"/>',
            f'<circle cx="{RIGHT}" cy="{end}" r="3.5"/>',
            _text(RIGHT - 8, round(end - 14, 2), f"{name}: {_kb(sizes[-1])}", "name", "end"),
            "</g>",
        ]
    return "\n".join([*parts, "</g>"])


def _text(x: float, y: float, words: str, kind: str, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{words}</text>'


def _kb(size: int) -> str:
    return f"{size / 1000:.0f} kB" if size >= 10_000 else f"{size / 1000:.1f} kB"


if __name__ == "__main__":
    sizes = weigh(whole_thread), weigh(ResponsesNode)
    PICTURE.write_text(draw(*sizes))
    print(caption(*sizes))
