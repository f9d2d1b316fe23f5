"""What the server already holds: every answer carries a stamp, and a stamp is trusted only when it still fits.

The messages in front of us are the truth. A stamp says "this response ended exactly this prefix of them"; the
digest in it is keyed, so a stamp that was edited, forged or copied onto other messages fits nothing.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

__all__ = ["Entry", "Ledger", "Plan", "Stamp", "stamp_key"]

Stamp = Mapping[str, Any]
"""Plain JSON, kept with the answer.

`v` version; `id` of the response; `chain`, `scope` whose conversation on which server; `base` the id it was seeded
with, and `base_proof`; `anchor` whether a later turn may continue it; `stored` whether the server keeps it; `how`
(`delta`, `replay`, `recovered`), `why`, `sent` items and `bytes` of the request; `instructions`, `setup` digests of
what else was sent (`setup` null and `instructions` `"unknown"` where an earlier attempt sent others); `input_tokens`, `output_tokens` (visible ones), `comparable` where they say nothing of
the next turn; `digest` of the prefix and of all of this.
"""

_VERSION: Final = 1
_PURPOSE: Final = b"responses-adapters stamp"
_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str).encode


class Entry(NamedTuple):
    """One local message.

    Attributes:
        fingerprint: The bytes that decide its wire form.
        stamp: Its stamp, if it is an answer of ours.
        own: Whether the caller wrote it: such items go out as they are, to whatever server.
        ephemeral: Whether it is for this turn only: it is sent, wherever it stands, and counts in no digest, so that
            later turns, which lack it, still chain.
    """

    fingerprint: bytes
    stamp: Stamp | None = None
    own: bool = False
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send: the messages from `start` on, continuing `previous_response_id` if there is one.

    Attributes:
        how: `"delta"` the server holds the rest, `"replay"` it is sent everything.
        start: Index of the first message to send.
        previous_response_id: Response to continue: the anchor of a delta, the base of a seeded replay.
        why: The reason, for people.
        anchor: The stamp that a delta continues.
        repeat_instructions: Whether instructions must be sent although the server may inherit them.
    """

    how: Literal["delta", "replay"]
    start: int
    previous_response_id: str | None
    why: str
    anchor: Stamp | None = None
    repeat_instructions: bool = True


def stamp_key(secret: str | bytes) -> bytes:
    """A key for stamps derived from a secret that workers share, such as the API key; it does not reveal it."""
    raw = secret.encode() if isinstance(secret, str) else secret
    return hmac.digest(raw, _PURPOSE, "sha256")


class Ledger:
    """The local view of one conversation, hashed in one pass.

    Args:
        entries: The messages after the leading system messages, oldest first.
        key: Key of the digests.
        chain: Whose conversation this is, so that agents that share messages do not share hidden items.
        scope: Which server (and tenant) holds it.
        instructions: The instructions of this turn.
        seed: A response begun elsewhere that these messages continue; it counts only while none is stamped.
        conversation: Id of the server's conversation object that these messages go to, in place of `chain`: whoever
            sends to it sees all of it.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        key: bytes,
        chain: str,
        scope: str,
        instructions: str | None = None,
        seed: str | None = None,
        conversation: str | None = None,
    ) -> None:
        self.entries = entries
        self.chain: str = chain if conversation is None else f"conversation {conversation}"
        self.conversation = conversation
        self.scope = scope
        self._key = key
        self._instructions = self._short_digest(instructions) if instructions else None
        self._answers = [
            (index, stamp)
            for index, (_, stamp, _, ephemeral) in enumerate(entries)
            if stamp is not None and not ephemeral and self.owns(stamp)
        ]
        newest = [index + 1 for index, _ in self._answers[-1:]]
        *self._newest, self._prefix = self._hash([*newest, len(entries)])
        self.base: str | None = self._find_base(seed)

    def owns(self, stamp: Stamp) -> bool:
        """Whether the stamp claims to belong to this conversation on this server."""
        return (
            stamp.get("v") == _VERSION
            and stamp.get("chain") == self.chain
            and stamp.get("scope") == self.scope
        )

    @property
    def newest_id(self) -> str | None:
        """The newest response whose stamp claims to belong here."""
        return self._answers[-1][1].get("id") if self._answers else None

    def plan(self, *, inherits_instructions: bool = False) -> Plan:
        """Continue the newest response that still fits the messages; replay everything if none does."""
        why = "first turn" if not self._answers else "no earlier response fits the messages"
        for index, stamp, mac in self._newest_first():
            if index + 1 == len(self.entries):
                continue  # an empty input is refused by servers
            if not self._fits(stamp, mac):
                why = "the history was edited" if stamp.get("digest") else why
                continue
            if stamp.get("anchor") is not True:
                why = "the last response cannot be continued"
                continue
            if inherits_instructions and stamp.get("instructions") and not self._instructions:
                return self.replay("the instructions were removed")
            return Plan(
                how="delta",
                start=index + 1,
                previous_response_id=stamp["id"],
                why=f"the server holds {index + 1} messages",
                anchor=stamp,
                repeat_instructions=not (
                    inherits_instructions and stamp.get("instructions") == self._instructions
                ),
            )
        return self.replay(why)

    def resume(self, *, head: str | None = None) -> Plan | None:
        """Add to the server's conversation object, which keeps all it was ever sent.

        Args:
            head: The newest response known to be in it.

        Returns:
            Everything if nothing here was sent to it yet, else what is new; `None` if what was sent is no longer
            what the messages say.
        """
        if not self._answers:
            return self.replay("first turn")
        index, stamp, mac = next(self._newest_first())
        forked = head is not None and all(head != stamp.get("id") for _, stamp in self._answers)
        if forked or not self._fits(stamp, mac) or stamp.get("stored") is False:
            return None
        return Plan(
            how="delta",
            start=index + 1,
            previous_response_id=None,
            why=f"the conversation holds {index + 1} messages",
            anchor=stamp,
        )

    def replay(self, why: str) -> Plan:
        """Send every local message, on the base if the conversation was seeded with one."""
        return Plan(how="replay", start=0, previous_response_id=self.base, why=why)

    def plan_of(self, continued: str | None) -> Plan:
        """The plan of a request that was sent before, by what it continued."""
        how: Literal["delta", "replay"] = "replay" if continued == self.base else "delta"
        return Plan(how=how, start=0, previous_response_id=continued, why="submitted before")

    def seal(
        self,
        answer: bytes,
        *,
        response_id: str,
        anchor: bool,
        facts: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The stamp of a new answer to these messages.

        Args:
            answer: The answer's fingerprint.
            response_id: Id to continue later.
            anchor: Whether a later turn may continue it.
            facts: Further plain JSON to keep in the stamp.
        """
        stamp: dict[str, Any] = {
            "v": _VERSION,
            "id": response_id,
            "chain": self.chain,
            "scope": self.scope,
            "base": self.base,
            "anchor": anchor,
            "instructions": self._instructions,
            **facts,
        }
        if self.base is not None:
            stamp["base_proof"] = self._prove_base(self.base)
        mac = self._prefix.copy()
        mac.update(b"%d:" % len(answer))
        mac.update(answer)
        stamp["digest"] = _close(mac, stamp)
        return stamp

    def digest_of(self, value: Any) -> tuple[str, int]:
        """A short keyed digest of any plain JSON, to notice that it changed, and its size in characters."""
        text = _encode(value)
        return self._short_digest(text), len(text)

    def _hash(self, ends: Iterable[int]) -> Iterator[hmac.HMAC]:
        """The keyed hash of the first so many messages, for each of the growing `ends`."""
        mac, start = hmac.new(self._key, digestmod="sha256"), 0
        for end in ends:
            parts = [
                b"%d:%b" % (len(fingerprint), fingerprint)
                for fingerprint, _, _, ephemeral in self.entries[start:end]
                if not ephemeral
            ]
            mac.update(b"".join(parts))
            yield mac.copy()
            start = end

    def _newest_first(self) -> Iterator[tuple[int, Stamp, hmac.HMAC]]:
        """Each answer of this conversation, and the hash up to it; that of older ones is rarely wanted."""
        if not self._answers:
            return
        *older, (index, stamp) = self._answers
        yield index, stamp, self._newest[0]
        hashes = [*self._hash(index + 1 for index, _ in older)]
        for (index, stamp), mac in zip(reversed(older), reversed(hashes), strict=True):
            yield index, stamp, mac

    def _fits(self, stamp: Stamp, prefix: hmac.HMAC) -> bool:
        digest = stamp.get("digest")
        if not isinstance(stamp.get("id"), str) or not isinstance(digest, str):
            return False
        try:
            return _same(digest, _close(prefix.copy(), stamp))
        except (RecursionError, TypeError, ValueError):  # whoever wrote it, it was not us
            return False

    def _find_base(self, seed: str | None) -> str | None:
        for _, stamp in reversed(self._answers):
            base, proof = stamp.get("base"), stamp.get("base_proof")
            if not isinstance(base, str) or not isinstance(proof, str):
                continue
            if _same(proof, self._prove_base(base)):
                return base
        return None if self._answers else seed

    def _prove_base(self, base: str) -> str:
        return self._short_digest(json.dumps(["base", base, self.chain, self.scope]))

    def _short_digest(self, text: str) -> str:
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hex()[:16]


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode())


def _close(mac: hmac.HMAC, stamp: Stamp) -> str:
    sealed = {key: value for key, value in stamp.items() if key != "digest"}
    mac.update(_encode(sealed).encode())
    return mac.hexdigest()[:32]
