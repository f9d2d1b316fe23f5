"""`POST /responses`: from a request to a stored response and the reply that tells of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .checks import check_input, parse_body
from .context import Context, Item, as_items, text_of
from .damage import WIRE_FAULTS, Damage, apply_damages
from .events import encode_event, event_log, sse, without
from .journal import Recorded
from .limits import fit_window, limit_tool_calls
from .parameters import check_form, check_presence
from .problems import ApiError, error_reply
from .refusals import check_guardrails, check_refusals
from .resource import USAGES, complete_items, kept_items, make_response
from .script import Turn
from .store import Conversation, Stored
from .wire import Frame, Reply

if TYPE_CHECKING:
    from .engine import Backend

__all__ = ["LostError", "create", "find_conversation", "run", "see", "stream_reply"]


def create(backend: Backend, recorded: Recorded, _: list[str]) -> Reply:
    """Run one turn of the model."""
    behaviour = backend.behaviour
    headers = {**behaviour.headers, **backend.rate.spend(backend.clock.now, behaviour)}
    body = parse_body(recorded.body)
    for name in behaviour.ignores & body.keys():
        del body[name]
    try:
        stored, damages = run(backend, recorded, body)
    except LostError as lost:
        return _lost_reply(backend, lost, streaming=bool(body.get("stream")))
    if damages and any(damage.after is None for damage in damages):
        return Reply(0, {}, b"", WIRE_FAULTS[damages[0].kind])
    headers["x-request-id"] = stored.id.replace("resp_", "req_")
    if body.get("stream"):
        return stream_reply(backend, recorded, stored, damages=damages, headers=headers)
    now = stored.now()
    if now["status"] == "failed" and behaviour.failure_status is not None:
        told = now["error"]
        raise ApiError(behaviour.failure_status, told["message"], code=told["code"])
    status = behaviour.background_status if stored.waits else 200
    reply = Reply.json(status, without(now, behaviour.lacks), headers)
    if not damages:
        return reply
    assert isinstance(reply.body, bytes)  # noqa: S101 - JSON replies are whole
    frames = apply_damages([Frame(reply.body)], damages)
    return Reply(reply.status, reply.headers, Frames(frames, recorded))


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
    _check(backend, recorded, body)
    key = _idempotency_key(backend, recorded)
    if key is not None and key[0] in backend.store.reservations:
        return _replay(backend, key), []
    context = see(backend, body, held=held)
    turn, damages = backend.answer(context)
    for change in backend.behaviour.turned:
        turn = change(backend, turn, body)
    turn = limit_tool_calls(turn, body.get("max_tool_calls"))
    conversation = _conversation_of(backend, body)
    stored = _respond(backend, body, context, turn)
    backend.store.note(stored.body["output"])
    if stored.body["store"]:
        backend.store.keep(stored)
        if conversation is not None:
            conversation.items += [*kept_items(stored.input, backend.ids), *stored.body["output"]]
    backend.record_turn(recorded, context, stored.body)
    if key is not None:
        backend.store.reservations[key[0]] = (key[1], stored)
    if turn.timed_out:
        raise ApiError(504, "The response was not ready in time.")
    return stored, damages


def _check(backend: Backend, recorded: Recorded, body: dict[str, Any]) -> None:
    behaviour = backend.behaviour
    check_form(body, behaviour)
    check_refusals(body, behaviour)
    for look in behaviour.before:
        look(backend, recorded, body)
    check_presence(body)
    models = behaviour.models
    if models and body.get("model") not in models:
        raise ApiError(
            400,
            f"The requested model '{body.get('model')}' does not exist.",
            param="model",
            code="model_not_found",
        )


def _idempotency_key(backend: Backend, recorded: Recorded) -> tuple[tuple[str, str], bytes] | None:
    """Who uses which key, and for what; `None` where the server knows no keys."""
    key = recorded.headers.get("idempotency-key")
    if key is None or not backend.behaviour.idempotency:
        return None
    if len(key) > 255:
        raise ApiError(400, "Idempotency-Key is longer than 255 characters.")
    return (recorded.headers.get("authorization", ""), key), recorded.body


def _replay(backend: Backend, key: tuple[tuple[str, str], bytes]) -> Stored:
    body, stored = backend.store.reservations[key[0]]
    if body != key[1]:
        raise ApiError(
            400,
            "This Idempotency-Key was used with a different request body.",
            type="idempotency_error",
        )
    return stored


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
    sent = [_dereferenced(backend, item) for item in as_items(body.get("input"))]
    check_guardrails(sent, behaviour)
    instructions = body.get("instructions")
    if behaviour.lifts_system and sent and sent[0].get("role") == "system" and not instructions:
        instructions = text_of(sent.pop(0))
    template = (body.get("prompt") or {}).get("id")
    instructions = behaviour.prompts.get(str(template), instructions)
    if previous is not None:
        kept = [*previous.context, *previous.body["output"]]
        if behaviour.forgets:
            kept = [item for item in kept if item.get("type") not in behaviour.forgets]
        if instructions is None and behaviour.inherits_instructions:
            instructions = previous.context.instructions
    elif conversation is not None:
        kept = list(conversation.items)
    if instructions is None:
        instructions = behaviour.default_instructions
    check_input(backend, kept, sent)
    if behaviour.unseen is not None:
        sent = [item for item in sent if not behaviour.unseen(item)]
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
    stored = held.get(previous_id) or backend.store.find(previous_id)
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
        response_id="resp_" + "0" * 48 if behaviour.reuses_ids else backend.ids.new("resp"),
        now=backend.clock.now,
        context=context,
        output=complete_items(turn, backend.ids, include=body.get("include") or ()),
        turn=turn,
        behaviour=behaviour,
        earlier=backend.contexts,
        store=_stores(backend, body),
        echoed_id=_echo(backend, body.get("previous_response_id")),
    )
    for dress in behaviour.dressed:
        dress(backend, response, body)
    log = event_log(response, queued=background and "queued" in behaviour.background_waits)
    stored = Stored(response, log, context, context[context.kept :], pace=turn.pace)
    if background:
        stored.waits = behaviour.background_waits
        stored.polls = backend.polls if turn.polls is None else turn.polls
        if behaviour.ticket_prefix is not None:
            stored.ticket = backend.ids.new(behaviour.ticket_prefix)
        if behaviour.usage_while_waiting:
            stored.idle_usage = USAGES[behaviour.usage](0, 0, 0, 0)
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
    for block in sse(stored.log[after + 1 :], behaviour):
        delay = 0.0
        if (first or between) and b".delta" in block:
            delay, first = first, between
        frames.append(Frame(block, delay))
    # Where it was cancelled already, the log is that of a cancelled response.
    is_cut = None if stored.ended else lambda: stored.body["status"] == "cancelled"
    # A client that saw the terminal event knows that the response has ended; a cut stream shows none.
    at_end = None if damages else partial(stored.end, backend.clock)
    if damages:
        frames = apply_damages(frames, damages)
    kind = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    return Reply(200, {**kind, **(headers or {})}, Frames(frames, recorded, at_end, is_cut))


class Frames(Iterator[Frame]):
    """The frames of one reply; closed before its end, it notes that the client went away.

    Args:
        frames: What is sent.
        recorded: The request it answers.
        at_end: Called when the last frame was read.
        is_cut: Whether nothing more is sent, asked before each frame.
    """

    def __init__(
        self,
        frames: list[Frame],
        recorded: Recorded,
        at_end: Callable[[], None] | None = None,
        is_cut: Callable[[], bool] | None = None,
    ) -> None:
        self._frames = iter(frames)
        self._left = len(frames)
        self._recorded = recorded
        self._at_end = at_end
        self._is_cut = is_cut

    def __next__(self) -> Frame:
        if self._is_cut is not None and self._is_cut():
            self._left = 0
            raise StopIteration
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


def _lost_reply(backend: Backend, lost: LostError, *, streaming: bool) -> Reply:
    behaviour = backend.behaviour
    if streaming and behaviour.lost_in_stream:
        event = {"type": "error", "sequence_number": 0, "code": lost.code, "message": lost.message}
        frame = Frame(encode_event({**event, "param": lost.param}, named=behaviour.event_lines))
        return Reply(200, {"content-type": "text/event-stream"}, iter([frame]))
    return error_reply(lost, behaviour.lost_shape or behaviour.error_shape)
