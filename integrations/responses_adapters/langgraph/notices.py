"""What a graph's `"custom"` stream hears from a Responses node."""

from __future__ import annotations

from langgraph.config import get_stream_writer

from ..protocol.turn import Event

__all__ = ["tell_graph"]


def tell_graph(event: Event) -> None:
    """Write to the `"custom"` stream of the graph that is running; outside of graphs nobody listens."""
    try:
        write = get_stream_writer()
    except (RuntimeError, KeyError):
        return
    write(event)
