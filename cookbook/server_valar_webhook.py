"""Let Valar call you when an answer is ready, and resume the graph that waits for it.

Why: nothing of yours runs while the server works, and nothing polls. The thread's id travels in the request's
metadata and comes back with the call. A webhook may come twice, late, or from somebody else: the token is compared,
a thread that no longer waits is left alone, and the answer itself is fetched from the server and never taken from
the call.

Run: python -m responses_adapters run --server valar cookbook/server_valar_webhook.py
     or, against the server, with on_webhook behind your HTTPS address: VALAR_API_KEY=...

Prints:
    401 waiting
    200 waiting
    200 answered
    200 answered
    You said: Which rooms fit 8 people?
"""

from __future__ import annotations

import hmac
import os
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command

from responses_adapters.langgraph import Background, ResponsesNode

MODEL = os.environ.get("RESPONSES_MODEL", "moonshotai/Kimi-K2.6")
TOKEN = "from your vault"


def settings(_: Any, runtime: Any) -> dict[str, Any]:
    """Request options of each turn: where to call, with which token, and for which thread."""
    metadata = {
        "completion_window": "flex",
        "completion_webhook": "https://desk.example/valar",
        "webhook_token": TOKEN,
        "thread_id": runtime.execution_info.thread_id,
    }
    return {"request_metadata": metadata}


def on_webhook(graph: Any, authorization: str, body: dict[str, Any]) -> int:
    """The handler for your web framework; returns the HTTP status."""
    if not hmac.compare_digest(authorization.encode(), f"Bearer {TOKEN}".encode()):
        return 401
    thread = {"configurable": {"thread_id": body["metadata"]["thread_id"]}}
    if graph.get_state(thread).next:
        graph.invoke(Command(resume=body["id"]), thread)
    return 200


def main() -> None:
    parked = Background(wait="interrupt")
    node = ResponsesNode(MODEL, server="valar", background=parked, model_settings=settings)
    builder = StateGraph(MessagesState)
    builder.add_node("model", node)
    builder.add_edge(START, "model")
    graph: Any = builder.compile(checkpointer=InMemorySaver())

    thread: Any = {"configurable": {"thread_id": "booking-7"}}
    wish = "Which rooms fit 8 people?"
    state = graph.invoke({"messages": [HumanMessage(wish)]}, thread)
    job = state["__interrupt__"][0].value["response_id"]

    body = {"id": job, "metadata": {"thread_id": "booking-7"}}
    for token in ("stolen", TOKEN, TOKEN, TOKEN):  # as the server calls: too early, in time, again
        status = on_webhook(graph, f"Bearer {token}", body)
        print(status, "waiting" if graph.get_state(thread).next else "answered")
    print(graph.get_state(thread).values["messages"][-1].text)


if __name__ == "__main__":
    main()

# Where next: langgraph_durable_background.py keeps the waiting thread on disk.
