"""A recorded conversation, served again: the same bytes, the same timing, no model."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ..errors import ConfigurationError, MissingExtraError
from ..profiles import find_server
from .redaction import is_redacted_form
from .wire import Fault, Frame, Reply, Request

if TYPE_CHECKING:
    from .engine import Backend

__all__ = ["Exchange", "Replay", "load_script", "load_yaml"]

_FAULTS: Final = frozenset({"refuse", "disconnect", "reset", "stall"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """One request and its reply, as they passed.

    Attributes:
        method: Upper-case method.
        path: Path below the server's base URL: `/responses/resp_1`.
        body: The request's JSON, `None` without one.
        status: HTTP status; 0 where no reply came.
        headers: Reply headers.
        content: The reply's JSON or text, where it was no stream.
        frames: The reply's stream, where it was one.
        fault: What happened instead of a reply.
    """

    method: str
    path: str
    body: Any = None
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Any = None
    frames: tuple[Frame, ...] | None = None
    fault: Fault | None = None

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read one element of a script's `exchanges`.

        Raises:
            ConfigurationError: A field is missing or unknown.
        """
        try:
            reply = value["reply"]
            frames = reply.get("frames")
            return cls(
                method=value["method"],
                path=value["path"],
                body=value.get("json"),
                status=reply.get("status", 0),
                headers=reply.get("headers", {}),
                content=reply.get("json", reply.get("text")),
                frames=None if frames is None else tuple(_frame(each) for each in frames),
                fault=_fault(reply.get("fault")),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"not an exchange of a recorded script ({error!r}): {str(value)[:200]}"
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads."""
        reply: dict[str, Any] = {"status": self.status, "headers": dict(self.headers)}
        if self.fault is not None:
            reply = {"fault": self.fault}
        elif self.frames is not None:
            reply["frames"] = [_frame_dict(frame) for frame in self.frames]
        elif self.content is not None:
            reply["text" if isinstance(self.content, str) else "json"] = self.content
        request = {"method": self.method, "path": self.path}
        return {**request, **({} if self.body is None else {"json": self.body}), "reply": reply}

    def reply(self) -> Reply:
        """The reply, to be sent again."""
        if self.fault is not None:
            return Reply(0, {}, b"", self.fault)
        if self.frames is not None:
            return Reply(self.status, self.headers, iter(self.frames))
        if isinstance(self.content, str):
            return Reply(self.status, self.headers, self.content.encode())
        if self.content is None:
            return Reply(self.status, self.headers, b"")
        return Reply.json(self.status, self.content, self.headers)


class Replay:
    """Answers requests from a recording: by equal body first, secrets aside, else in the order they were made.

    It can stand wherever a `Backend` can: in `make_transport`, `ResponsesServer`, `PatchedTransports`.
    The last recorded poll of a response is repeated, since how often a client polls is a matter of timing.

    Args:
        exchanges: What was recorded.
        server: Name of the server it was recorded from.
    """

    def __init__(self, exchanges: list[Exchange], *, server: str = "openai") -> None:
        self.server = server
        self._left = list(exchanges)
        self._unmatched: list[str] = []
        self._lock = threading.Lock()

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a script that `record` wrote.

        Raises:
            ConfigurationError: The file is not such a script.
            MissingExtraError: PyYAML is not installed.
        """
        return cls.from_script(load_yaml(path))

    @classmethod
    def from_script(cls, script: Mapping[str, Any]) -> Self:
        """The same from the file's content.

        Raises:
            ConfigurationError: It is not what `record` writes.
        """
        exchanges = script.get("exchanges")
        if not isinstance(exchanges, list):
            raise ConfigurationError(
                "the script has no list of `exchanges`: `record` did not write it"
            )
        server = find_server(script.get("server", "openai")).name
        return cls([Exchange.from_dict(each) for each in exchanges], server=server)

    def handle(self, request: Request) -> Reply:
        """Answer one request with what was answered then; 400 for a request that was not recorded."""
        with self._lock:
            fitting = [each for each in self._left if _fits(each, request)]
            if not fitting:
                return self._refuse(request)
            body = _json(request.body)
            like = [each for each in fitting if is_redacted_form(each.body, body)]
            chosen = next((each for each in like if each.body == body), (like or fitting)[0])
            if chosen.method != "GET" or len(fitting) > 1:
                self._left.remove(chosen)
            return chosen.reply()

    def verify(self) -> None:
        """Check that everything recorded was asked for again, and nothing else.

        Raises:
            AssertionError: It lists what was left over and what was not recorded.
        """
        left = [f"  {each.method} {each.path}" for each in self._left if each.method != "GET"]
        lines = ["Recorded, but never asked for:", *left] if left else []
        lines += self._unmatched
        if lines:
            raise AssertionError("\n".join(lines))

    def _refuse(self, request: Request) -> Reply:
        next_up = ", ".join(f"{each.method} {each.path}" for each in self._left) or "nothing"
        message = f"{request.method} {request.path} was not recorded; left to replay: {next_up}"
        self._unmatched.append(message)
        error = {"message": message, "type": "unrecorded_request", "param": None, "code": None}
        return Reply.json(400, {"error": error}, {"x-should-retry": "false"})


def load_script(
    path: str | Path, *, server: str | None = None, brain: bool | None = None
) -> Backend | Replay:
    """What a YAML file says: a scripted backend, or a recording to replay.

    Args:
        path: The file.
        server: Whose behaviour to show, instead of what a script says.
        brain: Whether rules answer what is not scripted, instead of what it says.

    Raises:
        ConfigurationError: The file cannot be read, or is no script.
        MissingExtraError: PyYAML is not installed.
    """
    from .engine import Backend

    script = load_yaml(path)
    if "exchanges" in script:
        return Replay.from_script(script)
    named = {} if server is None else {"server": server}
    return Backend.from_script({**script, **named}, brain=brain)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML file whose top level is a mapping.

    Raises:
        ConfigurationError: It cannot be read, or is something else.
        MissingExtraError: PyYAML is not installed.
    """
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingExtraError("testing", "PyYAML") from error
    try:
        script = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, RecursionError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"cannot read the script {path}: {error}") from error
    if not isinstance(script, dict):
        raise ConfigurationError(f"the script {path} must be a mapping at its top level")
    return script


def _fits(exchange: Exchange, request: Request) -> bool:
    return exchange.method == request.method and request.path.endswith(exchange.path)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _frame(value: Mapping[str, Any]) -> Frame:
    return Frame(
        value.get("text", "").encode(), float(value.get("delay", 0)), _fault(value.get("fault"))
    )


def _frame_dict(frame: Frame) -> dict[str, Any]:
    said: dict[str, Any] = {"delay": frame.delay} if frame.delay else {}
    if frame.fault is not None:
        return {**said, "fault": frame.fault}
    return {**said, "text": frame.data.decode("utf-8", "replace")}


def _fault(value: Any) -> Fault | None:
    if value is not None and value not in _FAULTS:
        raise KeyError(value)
    fault: Fault | None = value
    return fault
