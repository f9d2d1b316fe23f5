"""What goes wrong on the wire: a reply's frames, cut, broken, delayed, or out of order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Self

from .events import to_json
from .wire import Fault, Frame

__all__ = ["WIRE_FAULTS", "Damage", "WireVerbs", "apply_damages"]


@dataclass(frozen=True, slots=True)
class Damage:
    """What happens to a reply on the wire.

    Attributes:
        kind: `"truncate"` ends the stream cleanly, `"half"` ends it inside a data line, `"fin"` and
            `"reset"` break the connection, `"stall"` falls silent, `"malformed"` sends broken JSON,
            `"error"` sends an error event, `"drop"`, `"duplicate"` and `"swap"` disturb the order.
        after: Events that still arrive; `None`: not even headers do.
        value: What the kind needs besides: seconds, or the event to send.
    """

    kind: Literal[
        "truncate", "half", "fin", "reset", "refuse", "stall", "malformed", "error",
        "drop", "duplicate", "swap",
    ]  # fmt: skip
    after: int | None = None
    value: Any = None


WIRE_FAULTS: dict[str, Fault] = {
    "fin": "disconnect",
    "reset": "reset",
    "refuse": "refuse",
    "stall": "stall",
}
"""Damages that the connection itself suffers, and what carriers call them."""


def apply_damages(frames: list[Frame], damages: Iterable[Damage]) -> list[Frame]:
    """The frames as they reach the client."""
    for damage in damages:
        frames = _DAMAGES[damage.kind](frames, damage.after or 0, damage.value)
    return frames


def _truncate(frames: list[Frame], after: int, _: Any) -> list[Frame]:
    return frames[:after]


def _half(frames: list[Frame], after: int, _: Any) -> list[Frame]:
    cut = [Frame(frame.data[: len(frame.data) // 2]) for frame in frames[after : after + 1]]
    return frames[:after] + cut


def _break(fault: Fault) -> Callable[[list[Frame], int, Any], list[Frame]]:
    def broken(frames: list[Frame], after: int, seconds: Any) -> list[Frame]:
        silence = Frame(delay=seconds or 0.0, fault=fault)
        rest = frames[after:] if fault == "stall" else []
        return [*frames[:after], silence, *rest]

    return broken


def _malformed(frames: list[Frame], after: int, _: Any) -> list[Frame]:
    return [*frames[:after], Frame(b'data: {"type": "response.output_text.delta", "delta": \n\n')]


def _error(frames: list[Frame], after: int, event: Any) -> list[Frame]:
    return [*frames[:after], Frame(f"event: error\ndata: {to_json(event)}\n\n".encode())]


def _drop(frames: list[Frame], after: int, _: Any) -> list[Frame]:
    return frames[:after] + frames[after + 1 :]


def _duplicate(frames: list[Frame], after: int, _: Any) -> list[Frame]:
    return frames[: after + 1] + frames[after:]


def _swap(frames: list[Frame], after: int, _: Any) -> list[Frame]:
    return frames[:after] + frames[after : after + 2][::-1] + frames[after + 2 :]


_DAMAGES: dict[str, Callable[[list[Frame], int, Any], list[Frame]]] = {
    "truncate": _truncate,
    "half": _half,
    "fin": _break("disconnect"),
    "reset": _break("reset"),
    "refuse": _break("refuse"),
    "stall": _break("stall"),
    "malformed": _malformed,
    "error": _error,
    "drop": _drop,
    "duplicate": _duplicate,
    "swap": _swap,
}


class WireVerbs:
    """What can happen to a reply on its way; each verb returns its object, so that they can be chained."""

    def damage(self, *damages: Damage) -> Self:
        """Disturb the reply."""
        raise NotImplementedError

    def truncate(self, after: int) -> Self:
        """End the stream cleanly after `after` events, without its terminal event."""
        return self.damage(Damage("truncate", after))

    def cut_line(self, after: int) -> Self:
        """End the stream cleanly in the middle of the data line after `after` events."""
        return self.damage(Damage("half", after))

    def disconnect(
        self, after: int | None = None, *, kind: Literal["fin", "reset"] = "fin"
    ) -> Self:
        """Break the connection after `after` events; `None`: not even headers arrive."""
        return self.damage(Damage(kind, after))

    def stall(self, after: int | None = None, *, seconds: float = 3600.0) -> Self:
        """Fall silent for `seconds` after `after` events; `None`: before the headers."""
        return self.damage(Damage("stall", after, seconds))

    def malformed(self, after: int = 0) -> Self:
        """Send a data line of broken JSON after `after` events, then end."""
        return self.damage(Damage("malformed", after))

    def error_event(
        self,
        code: str = "server_error",
        message: str = "The server had an error while processing your request.",
        *,
        after: int = 0,
        shape: Literal["flat", "nested", "bare"] = "flat",
    ) -> Self:
        """Send an error event after `after` events, then end.

        Args:
            code: Error code.
            message: Error message.
            after: Events that arrive before it.
            shape: `"flat"` as OpenAI sends it, `"nested"` as Open Responses says, `"bare"` an error object
                without a `type`, as gateways send it.
        """
        error = {"type": code, "code": code, "message": message, "param": None}
        base = {"type": "error", "sequence_number": after}
        event = {
            "flat": {**base, "code": code, "message": message, "param": None},
            "nested": {**base, "error": error},
            "bare": {"error": error},
        }[shape]
        return self.damage(Damage("error", after, event))

    def drop_event(self, after: int) -> Self:
        """Lose the event after the first `after`."""
        return self.damage(Damage("drop", after))

    def duplicate_event(self, after: int) -> Self:
        """Send the event after the first `after` twice."""
        return self.damage(Damage("duplicate", after))

    def swap_events(self, after: int) -> Self:
        """Exchange the two events after the first `after`."""
        return self.damage(Damage("swap", after))
