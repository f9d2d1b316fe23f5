"""`POST /responses`: from a request to a stored response and the reply that tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .checks import check_pairs, check_parameters, check_unique, parse_body
from .context import Context, Item, as_items
from .damage import WIRE_FAULTS, Damage, apply_damages
from .events import encode_event, event_log
from .journal import Recorded
from .problems import ApiError, error_reply
from .resource import complete_items, make_response
from .script import Turn
from .store import Stored
from .wire import Frame, Reply

if TYPE_CHECKING:
    from .engine import Backend

__all__ = ["create", "stream_reply"]


def create(backend: Backend, recorded: Recorded, _: list[str]) -> Reply:
    """Run one turn of the model."""
    body = parse_body(recorded.body)
    check_parameters(body, refuse_unknown=backend.behaviour.unknown_parameters == "refused")
    _check_model(backend, body)
    try:
        context = _see(backend, body)
    except LostError as lost:
        return _lost_reply(backend, lost, streaming=bool(body.get("stream")))
    turn, damages = backend.answer(context)
    stored = _run(backend, body, context, turn)
    backend.record_turn(recorded, context, stored.body)
    if damages and any(damage.after is None for damage in damages):
        return Reply(0, {}, b"", WIRE_FAULTS[damages[0].kind])
    headers = {"x-request-id": stored.id.replace("resp_", "req_")}
    if body.get("stream"):
        return stream_reply(backend, recorded, stored.log, damages, headers=headers)
    status = backend.behaviour.background_status if body.get("background") else 200
    reply = Reply.json(status, snapshot(stored), headers)
    return _damaged(reply, damages) if damages else reply


class LostError(ApiError):
    """The previous response is not there."""


def _see(backend: Backend, body: dict[str, Any]) -> Context:
    """What the model sees: the stored context of the previous response, then the input."""
    behaviour = backend.behaviour
    sent = as_items(body.get("input"))
    previous = _previous(backend, body.get("previous_response_id"))
    kept: list[Item] = []
    instructions = body.get("instructions")
    if previous is not None:
        kept = [*previous.context, *previous.body["output"]]
        if behaviour.forgets:
            kept = [item for item in kept if item.get("type") not in behaviour.forgets]
        if instructions is None and behaviour.inherits_instructions:
            instructions = previous.context.instructions
    sent = _resolve(backend, sent)
    check_unique(kept, sent)
    if behaviour.strict_pairs:
        check_pairs(kept, sent)
    return Context(
        [*kept, *sent],
        instructions=instructions,
        tools=body.get("tools") or (),
        model=body.get("model") or "",
        request=body,
        kept=len(kept),
    )


def _previous(backend: Backend, previous_id: str | None) -> Stored | None:
    behaviour = backend.behaviour
    if not previous_id or behaviour.chaining == "ignored":
        return None
    stored = backend.store.responses.get(previous_id)
    if stored is None or stored.body["status"] == "failed":
        raise LostError(
            behaviour.lost_status,
            behaviour.lost_message.format(id=previous_id),
            param="previous_response_id",
            code=behaviour.lost_code,
            type="not_found_error" if behaviour.lost_status == 404 else "invalid_request_error",
        )
    return stored


def _resolve(backend: Backend, sent: list[Item]) -> list[Item]:
    """The input with references replaced by the items they name."""
    resolved = []
    for item in sent:
        if item.get("type") != "item_reference":
            resolved.append(item)
            continue
        found = backend.store.items.get(item.get("id") or "")
        if found is None:
            raise ApiError(404, f"Item with id '{item.get('id')}' not found.", param="input")
        resolved.append(found)
    return resolved


def _run(backend: Backend, body: dict[str, Any], context: Context, turn: Turn) -> Stored:
    behaviour = backend.behaviour
    previous_id = body.get("previous_response_id")
    echoed = previous_id if behaviour.echo == "id" else None
    if previous_id and behaviour.echo == "foreign":
        echoed = backend.ids.new("chatcmpl", 24)
    store = behaviour.store == "always" or (
        behaviour.store == "default" and body.get("store") is not False
    )
    seal = "reasoning.encrypted_content" in (body.get("include") or ())
    response = make_response(
        body,
        response_id=backend.ids.new("resp"),
        now=backend.clock.now,
        context=context,
        output=complete_items(turn, backend.ids, seal=seal),
        turn=turn,
        usage=behaviour.usage,
        store=store,
        echoed_id=echoed,
    )
    background = bool(body.get("background"))
    stored = Stored(
        response,
        event_log(response, queued=background and "queued" in behaviour.background_waits),
        context,
        context[context.kept :],
    )
    if store:
        backend.store.keep(stored)
    return stored


def snapshot(stored: Stored) -> dict[str, Any]:
    """The response as it stands now."""
    return stored.body


def stream_reply(
    backend: Backend,
    recorded: Recorded,
    log: list[dict[str, Any]],
    damages: list[Damage],
    *,
    headers: dict[str, str] | None = None,
) -> Reply:
    """Events as a stream of server-sent events."""
    behaviour = backend.behaviour
    frames = [Frame(encode_event(event, named=behaviour.event_lines)) for event in log]
    if behaviour.done_line:
        frames.append(Frame(b"data: [DONE]\n\n"))
    if damages:
        frames = apply_damages(frames, damages)
    kind = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    return Reply(200, {**kind, **(headers or {})}, Frames(frames, recorded))


class Frames(Iterator[Frame]):
    """The frames of one reply; closed before its end, it notes that the client went away."""

    def __init__(self, frames: list[Frame], recorded: Recorded) -> None:
        self._frames = iter(frames)
        self._left = len(frames)
        self._recorded = recorded

    def __next__(self) -> Frame:
        frame = next(self._frames)
        self._left -= 1
        return frame

    def close(self) -> None:
        """The client reads no further."""
        if self._left:
            self._recorded.disconnected = True
            self._frames = iter(())


def _damaged(reply: Reply, damages: list[Damage]) -> Reply:
    assert isinstance(reply.body, bytes)  # noqa: S101 - only whole bodies come here
    return Reply(reply.status, reply.headers, iter(apply_damages([Frame(reply.body)], damages)))


def _check_model(backend: Backend, body: dict[str, Any]) -> None:
    models = backend.behaviour.models
    if models and body.get("model") not in models:
        raise ApiError(
            400,
            f"The requested model '{body.get('model')}' does not exist.",
            param="model",
            code="model_not_found",
        )


def _lost_reply(backend: Backend, lost: LostError, *, streaming: bool) -> Reply:
    behaviour = backend.behaviour
    if streaming and behaviour.lost_in_stream:
        event = {"type": "error", "sequence_number": 0, "code": lost.code, "message": lost.message}
        frame = Frame(encode_event({**event, "param": lost.param}, named=behaviour.event_lines))
        return Reply(200, {"content-type": "text/event-stream"}, iter([frame]))
    return error_reply(lost, behaviour.lost_shape or behaviour.error_shape)
