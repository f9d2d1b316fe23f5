"""`POST /responses`: from a request to a stored response and the reply that tells of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .checks import check_input, parse_body
from .context import Context, Item, as_items
from .damage import WIRE_FAULTS, Damage, apply_damages
from .events import encode_event, event_log
from .journal import Recorded
from .limits import fit_window
from .parameters import check_parameters
from .problems import ApiError, error_reply
from .resource import complete_items, kept_items, make_response
from .script import Turn
from .store import Conversation, Stored
from .wire import Frame, Reply

if TYPE_CHECKING:
    from .engine import Backend

__all__ = ["LostError", "create", "find_conversation", "run", "see", "stream_reply"]


def create(backend: Backend, recorded: Recorded, _: list[str]) -> Reply:
    """Run one turn of the model."""
    body = parse_body(recorded.body)
    try:
        stored, damages = run(backend, recorded, body)
    except LostError as lost:
        return _lost_reply(backend, lost, streaming=bool(body.get("stream")))
    if damages and any(damage.after is None for damage in damages):
        return Reply(0, {}, b"", WIRE_FAULTS[damages[0].kind])
    headers = {"x-request-id": stored.id.replace("resp_", "req_")}
    if body.get("stream"):
        return stream_reply(backend, recorded, stored, damages=damages, headers=headers)
    status = backend.behaviour.background_status if body.get("background") else 200
    reply = Reply.json(status, stored.now(), headers)
    if not damages:
        return reply
    assert isinstance(reply.body, bytes)  # noqa: S101 - JSON replies are whole
    frames = apply_damages([Frame(reply.body)], damages)
    return Reply(status, reply.headers, Frames(frames, recorded))


class LostError(ApiError):
    """The previous response is not there."""


def run(
    backend: Backend,
    recorded: Recorded,
    body: dict[str, Any],
    *,
    held: Mapping[str, Stored] | None = None,
) -> tuple[Stored, list[Damage]]:
    """One turn of the model, checked, said, recorded and stored.

    Args:
        backend: Whose turn.
        recorded: The request.
        body: Its JSON.
        held: Responses that this connection alone can continue.

    Returns:
        The response, and what happens to it on the wire.
    """
    behaviour = backend.behaviour
    check_parameters(body, refuse_unknown=behaviour.unknown_parameters == "refused")
    _check_model(backend, body)
    context = see(backend, body, held=held)
    turn, damages = backend.answer(context)
    conversation = _conversation_of(backend, body)
    stored = _respond(backend, body, context, turn)
    backend.store.note(stored.body["output"])
    if stored.body["store"]:
        backend.store.keep(stored)
        if conversation is not None:
            conversation.items += [*kept_items(stored.input, backend.ids), *stored.body["output"]]
    backend.record_turn(recorded, context, stored.body)
    return stored, damages


def see(
    backend: Backend, body: dict[str, Any], *, held: Mapping[str, Stored] | None = None
) -> Context:
    """What the model sees: the stored context of the previous response or conversation, then the input.

    Raises:
        ApiError: The input contradicts itself or what is stored, or is too long.
        LostError: The previous response is not there.
    """
    behaviour = backend.behaviour
    previous = _previous(backend, body.get("previous_response_id"), held or {})
    conversation = _conversation_of(backend, body)
    kept: list[Item] = []
    instructions = body.get("instructions")
    if previous is not None:
        kept = [*previous.context, *previous.body["output"]]
        if behaviour.forgets:
            kept = [item for item in kept if item.get("type") not in behaviour.forgets]
        if instructions is None and behaviour.inherits_instructions:
            instructions = previous.context.instructions
    elif conversation is not None:
        kept = list(conversation.items)
    sent = [_dereferenced(backend, item) for item in as_items(body.get("input"))]
    check_input(backend, kept, sent)
    context = Context(
        [*kept, *sent],
        instructions=instructions,
        tools=body.get("tools") or (),
        model=body.get("model") or "",
        request=body,
        kept=len(kept),
    )
    return fit_window(context, behaviour.context_window)


def _previous(
    backend: Backend, previous_id: str | None, held: Mapping[str, Stored]
) -> Stored | None:
    behaviour = backend.behaviour
    if not previous_id or behaviour.chaining == "ignored":
        return None
    stored = held.get(previous_id) or backend.store.responses.get(previous_id)
    if stored is not None and not stored.ended:
        raise ApiError(
            400,
            f"Previous response with id '{previous_id}' has not finished.",
            param="previous_response_id",
            code="previous_response_not_finished",
        )
    if stored is None or stored.body["status"] in {"failed", "cancelled"}:
        raise LostError(
            behaviour.lost_status,
            behaviour.lost_message.format(id=previous_id),
            param="previous_response_id",
            code=behaviour.lost_code,
            type="not_found_error" if behaviour.lost_status == 404 else "invalid_request_error",
        )
    return stored


def find_conversation(backend: Backend, conversation_id: Any) -> Conversation:
    """A conversation by id.

    Raises:
        ApiError: There is none.
    """
    found = backend.store.conversations.get(conversation_id)
    if found is None:
        raise ApiError(404, f"Conversation with id '{conversation_id}' not found.")
    return found


def _conversation_of(backend: Backend, body: Mapping[str, Any]) -> Conversation | None:
    wanted = body.get("conversation")
    if not wanted:
        return None
    return find_conversation(backend, wanted.get("id") if isinstance(wanted, dict) else wanted)


def _dereferenced(backend: Backend, item: Item) -> Item:
    if item.get("type") != "item_reference":
        return item
    found = backend.store.items.get(item.get("id") or "")
    if found is None:
        raise ApiError(404, f"Item with id '{item.get('id')}' not found.", param="input")
    return found


def _respond(backend: Backend, body: dict[str, Any], context: Context, turn: Turn) -> Stored:
    behaviour = backend.behaviour
    background = bool(body.get("background")) and behaviour.background_waits != ()
    response = make_response(
        body,
        response_id=backend.ids.new("resp"),
        now=backend.clock.now,
        context=context,
        output=complete_items(turn, backend.ids, include=body.get("include") or ()),
        turn=turn,
        usage=behaviour.usage,
        earlier=backend.contexts,
        store=_stores(backend, body),
        echoed_id=_echo(backend, body.get("previous_response_id")),
    )
    log = event_log(response, queued=background and "queued" in behaviour.background_waits)
    stored = Stored(response, log, context, context[context.kept :], pace=turn.pace)
    if background:
        stored.waits = behaviour.background_waits
        stored.polls = backend.polls if turn.polls is None else turn.polls
        if backend.background_seconds is not None:
            stored.due = backend.clock.now + backend.background_seconds
    return stored


def _stores(backend: Backend, body: dict[str, Any]) -> bool:
    rule = backend.behaviour.store
    return rule == "always" or (rule == "default" and body.get("store") is not False)


def _echo(backend: Backend, previous_id: str | None) -> str | None:
    if previous_id and backend.behaviour.echo == "foreign":
        return backend.ids.new("chatcmpl", 24)
    return previous_id if backend.behaviour.echo == "id" else None


def stream_reply(
    backend: Backend,
    recorded: Recorded,
    stored: Stored,
    *,
    after: int = -1,
    damages: list[Damage] | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """The events of a response as server-sent events, from the one after number `after`."""
    behaviour = backend.behaviour
    first, between = stored.pace or backend.pacing
    frames = []
    for event in stored.log[after + 1 :]:
        delay = 0.0
        if event["type"].endswith(".delta"):
            delay, first = first, between
        frames.append(Frame(encode_event(event, named=behaviour.event_lines), delay))
    if behaviour.done_line:
        frames.append(Frame(b"data: [DONE]\n\n"))
    if damages:
        frames = apply_damages(frames, damages)
    kind = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    seen_to_end = Frames(frames, recorded, lambda: stored.end(backend.clock))
    return Reply(200, {**kind, **(headers or {})}, seen_to_end)


class Frames(Iterator[Frame]):
    """The frames of one reply; closed before its end, it notes that the client went away."""

    def __init__(
        self, frames: list[Frame], recorded: Recorded, at_end: Callable[[], None] | None = None
    ) -> None:
        self._frames = iter(frames)
        self._left = len(frames)
        self._recorded = recorded
        self._at_end = at_end

    def __next__(self) -> Frame:
        frame = next(self._frames)
        self._left -= 1
        if not self._left and self._at_end is not None:
            self._at_end()
        return frame

    def close(self) -> None:
        """The client reads no further."""
        if self._left:
            self._recorded.disconnected = True
            self._frames = iter(())


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
