"""Probes of what the server keeps: the conversation, its instructions, single responses."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import replace
from typing import Final

from .chart import (
    DEMANDED,
    Answer,
    Call,
    Chart,
    Probe,
    Steps,
    UnusableServerError,
    Verdict,
    blames,
    create,
    quote,
    say,
)

__all__ = ["NOTE", "STATE"]

NOTE: Final = (
    "The lighthouse on the northern cape was built of grey stone in the spring of a dry year, and its keeper wrote"
    " down every ship that passed: the name, the flag, the hour and the weather. Nobody read those books until a"
    " storm took the roof, and then the whole village came to carry them down the hill, one shelf after another."
)
"""Words that have to be counted as tokens, so that their absence shows."""

_NOT_A_CHAT_MODEL: Final = re.compile(
    r"embed|rerank|whisper|tts|audio|speech|transcri|dall-e|image|moderation|realtime|sora|ocr",
    re.I,
)


def _reach(chart: Chart) -> Steps:
    """The first request: it plants the word, and ends the visit where no Responses server answers."""
    if chart.model is None:
        answer = yield Call(method="GET", path="/models")
        if answer.status is None:
            raise UnusableServerError(answer.trouble or "no answer")
        listed = _names(answer)
        talking = [name for name in listed if not _NOT_A_CHAT_MODEL.search(name)]
        chart.model = (talking or listed or ["default"])[0]
    given = (
        f"My code word is {chart.word}. Here is a note that needs no answer: {NOTE}"
        " Reply with OK and nothing else."
    )
    answer = yield from _open(chart, given)
    if not answer.usable:
        chats = False
        if answer.status in {404, 405, 501} and "model" not in answer.failure.message.lower():
            chat = yield Call(method="POST", path="/chat/completions", body={})
            chats = chat.status is not None and chat.status not in {404, 405, 501}
        raise UnusableServerError(_diagnosis(answer, chats=chats, model=chart.model))
    chart.first = answer
    verdicts = [Verdict("answers", str(chart.model), good=True, evidence=quote(answer))]
    if demands := chart.facts["demands"]:
        evidence = f"no answer without {', '.join(sorted(demands))}"
        verdicts.append(Verdict("demands", "met by the adapters", good=None, evidence=evidence))
    return verdicts


def _open(chart: Chart, given: str) -> Generator[Call, Answer, Answer]:
    """Make the first request; again with what is demanded, until there is an answer or nothing left to add."""
    demands: frozenset[str] = frozenset()
    while True:
        chart.facts["demands"] = demands
        call = create(chart, [say("user", given)])
        chart.opening = replace(call, headers={"Idempotency-Key": f"doctor-{chart.word}"})
        answer = yield chart.opening
        missing = [name for name in DEMANDED if name not in demands and _wants(answer, name)]
        if answer.usable or not missing:
            return answer
        demands |= {missing[0]}


def _wants(answer: Answer, name: str) -> bool:
    """Whether a request was not answered for lack of a parameter; an empty answer may be for want of a stream."""
    if answer.status == 200 and not answer.body:
        return name == "stream"
    return answer.refused and blames(answer.failure, name)


def _names(answer: Answer) -> list[str]:
    listed = answer.body.get("data") if isinstance(answer.body, dict) else None
    entries = listed if isinstance(listed, list) else []
    return [str(each["id"]) for each in entries if isinstance(each, dict) and each.get("id")]


def _diagnosis(answer: Answer, *, chats: bool, model: str) -> str:
    """Why the server cannot be used, in one sentence."""
    if chats:
        return (
            f"this server speaks Chat Completions only ({answer.status} at /responses, while /chat/completions"
            " answers): put a gateway with a Responses API in front of it, or use your framework's chat model"
        )
    if answer.trouble is not None:
        if blames(answer.failure, "model") and answer.status in {400, 403, 404, 422}:
            return f"{answer.trouble}; name another one with --model"
        return answer.trouble
    if answer.failed is not None or (isinstance(answer.body, dict) and answer.body.get("error")):
        return f"the model {model!r} gave no answer ({quote(answer)}): try another one with --model"
    what = "a web page" if "<html" in str(answer.body)[:2000].lower() else "something else"
    return (
        f"{answer.status} at /responses, but with {what} in place of a response object: is this the address of"
        " the API, such as https://host/v1?"
    )


def _chain(chart: Chart) -> Steps:
    """Continues the first response by its id and asks for the word."""
    subject = "conversation state"
    question = "What is my code word? Reply with the code word alone, or with NONE if you were not told one."
    answer = yield create(
        chart, [say("user", question)], previous_response_id=chart.first.id or "resp_none"
    )
    asked = "planted a word, continued by previous_response_id and asked for it"
    if answer.refused:
        chart.facts |= {"state": "replay", "echoes_previous_id": False}
        if answer.failure.lost_response and "parameter" not in answer.failure.message.lower():
            finding = "forgets: send everything, every turn"
        else:
            chart.tried["previous_response_id"] = True
            finding = "not offered: send everything, every turn"
        return [Verdict(subject, finding, good=False, evidence=f"{asked}: {quote(answer)}")]
    if not answer.usable:
        return [Verdict(subject, "unknown", good=None, evidence=f"{asked}: {quote(answer)}")]
    counted = _counted(chart.first, answer)
    held = chart.word.lower() in answer.text.lower() or counted == "held"
    evidence = f"{asked}: {quote(answer)}; {_counts(chart.first, answer)}"
    echo = answer.response.get("previous_response_id")
    if not held:
        chart.facts |= {"state": "replay" if counted == "lost" else "unknown"}
        chart.facts["echoes_previous_id"] = False
        finding = "silently ignored: the id is accepted, the history is gone"
        if counted != "lost":
            finding = "unknown: the word was not said, and the tokens do not tell"
        return [Verdict(subject, finding, good=False, evidence=evidence)]
    chart.facts |= {"state": "server", "echoes_previous_id": echo == chart.first.id}
    shown = "echoes the id" if echo == chart.first.id else f"echoes {echo!r}"
    return [Verdict(subject, f"kept; {shown}", good=True, evidence=evidence)]


def _counted(before: Answer, after: Answer) -> str:
    """Whether a short question on top of a long turn was counted with it."""
    if before.tokens is None or after.tokens is None:
        return "unknown"
    whole, new = before.tokens[0], after.tokens[0]
    if new >= whole:
        return "held"
    return "lost" if new < whole * 0.6 else "unknown"


def _counts(before: Answer, after: Answer) -> str:
    if before.tokens is None or after.tokens is None:
        return "tokens are not counted"
    return f"{before.tokens[0]} input tokens, then {after.tokens[0]}"


def _lost(chart: Chart) -> Steps:
    """Continues a response that never was."""
    if not chart.stateful:
        return []
    unknown = re.sub(r"\w{8}$", "0" * 8, chart.first.id)
    answer = yield create(chart, [say("user", "Hello")], previous_response_id=unknown)
    evidence = f"continued the made-up {unknown[:24]}…: {quote(answer)}"
    if answer.usable:
        chart.careless = True
        finding, good = "not noticed: only its counts can show that a conversation is gone", False
    elif answer.failure.lost_response:
        finding, good = "recognised; a full replay repairs it", True
    else:
        finding, good = "refused in words that no client can recognise", False
    return [Verdict("unknown previous id", finding, good=good, evidence=evidence)]


def _retrieve(chart: Chart) -> Steps:
    """Asks for the first response again."""
    answer = yield Call(method="GET", path=f"/responses/{chart.first.id}")
    works = answer.usable and bool(answer.id)
    if answer.status is not None:
        chart.facts["retrieves"] = works
    return [
        Verdict(
            "retrieve",
            "works" if works else "not available",
            good=works,
            evidence=f"GET of the first response: {quote(answer, 60)}",
        )
    ]


def _store(chart: Chart) -> Steps:
    """Asks for a response not to be stored, then looks for it."""
    readable = chart.facts.get("retrieves")
    if not readable and not chart.stateful:
        gone = readable is False and chart.facts.get("state") == "replay"
        if gone:
            chart.facts["store"] = "never"
        evidence = "no response can be retrieved or continued"
        finding = "nothing is kept" if gone else "unknown"
        return [Verdict("store", finding, good=None, evidence=evidence)]
    answer = yield create(chart, [say("user", "Reply with OK.")], store=False)
    if answer.refused:
        chart.facts["store"] = "always"
        evidence = f"store=false: {quote(answer)}"
        return [Verdict("store", "always, cannot be turned off", good=False, evidence=evidence)]
    if not answer.usable:
        evidence = f"store=false: {quote(answer)}"
        return [Verdict("store", "unknown", good=None, evidence=evidence)]
    if readable:
        found = yield Call(method="GET", path=f"/responses/{answer.id}")
    else:
        found = yield create(chart, [say("user", "Hello")], previous_response_id=answer.id)
    chart.facts["store"] = "always" if found.usable else "default"
    finding = "store=false is ignored" if found.usable else "on by default, store=false honoured"
    evidence = f"looked for a response made with store=false: {quote(found, 60)}"
    return [Verdict("store", finding, good=not found.usable, evidence=evidence)]


STATE: Final = (
    Probe("answers", _reach),
    Probe("conversation state", _chain),
    Probe("retrieve", _retrieve),
    Probe("store", _store),
    Probe("unknown previous id", _lost),
)
"""What the server keeps, the first request first."""
