"""An agent on Microsoft's server: it hands the conversation to the model, and the model's answer back.

Runs in the virtualenv of that server. What is stored, streamed, chained, cancelled and refused is up to the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import urllib.request
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from azure.ai.agentserver.responses import ResponseEventStream, ResponsesAgentServerHost

UPSTREAM_URL = os.environ["UPSTREAM_URL"]

app = ResponsesAgentServerHost()


@app.response_handler
async def answer(request: Any, context: Any, cancelled: asyncio.Event) -> AsyncIterator[Any]:
    """The events of one answer."""
    items = [*await context.get_history(), *await context.get_input_items()]
    body = _chat_request(request, items)
    completion = await asyncio.to_thread(_post, body)
    choice = completion["choices"][0]
    message = choice["message"]
    stream = ResponseEventStream(response_id=context.response_id, request=request)
    yield stream.emit_created()
    yield stream.emit_in_progress()
    if thoughts := message.get("reasoning"):
        for event in stream.output_item_reasoning_item(thoughts):
            yield event
    for call in message.get("tool_calls") or ():
        function = call["function"]
        for event in stream.output_item_function_call(
            function["name"], call["id"], function["arguments"]
        ):
            yield event
    if message.get("content"):
        for event in stream.output_item_message(message["content"]):
            yield event
    usage = _usage(completion["usage"])
    if choice["finish_reason"] == "length":
        yield stream.emit_incomplete(reason="max_output_tokens", usage=usage)
    else:
        yield stream.emit_completed(usage=usage)


def _usage(counted: Mapping[str, Any]) -> dict[str, Any]:
    details = counted["completion_tokens_details"]
    return {
        "input_tokens": counted["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": counted["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": details["reasoning_tokens"]},
        "total_tokens": counted["total_tokens"],
    }


def _chat_request(request: Mapping[str, Any], items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    messages = [_chat_message(item) for item in items if item["type"] != "reasoning"]
    if request.get("instructions"):
        messages.insert(0, {"role": "system", "content": request["instructions"]})
    tools = [
        {"type": "function", "function": {key: tool.get(key) for key in ("name", "parameters")}}
        for tool in request.get("tools") or ()
        if tool["type"] == "function"
    ]
    body = {"model": request.get("model"), "messages": messages, "tools": tools}
    choice = request.get("tool_choice")
    return {**body, "tool_choice": choice} if isinstance(choice, str) else body


def _chat_message(item: Mapping[str, Any]) -> dict[str, Any]:
    if item["type"] == "function_call":
        function = {"name": item["name"], "arguments": item["arguments"]}
        call = {"id": item["call_id"], "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    if item["type"] == "function_call_output":
        return {"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]}
    content = item["content"]
    text = content if isinstance(content, str) else "".join(part["text"] for part in content)
    return {"role": item["role"], "content": text}


def _post(body: Mapping[str, Any]) -> Any:
    headers = {"content-type": "application/json"}
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{UPSTREAM_URL}/chat/completions", data, headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
