"""A rule-based stand-in for a model: picks tools, fills arguments, shows that it remembers. No model."""

from __future__ import annotations

import json
import re
from typing import Any

from .context import Context, Item, text_of
from .fill import fill
from .script import Turn

__all__ = ["RuleBrain"]

_ALIKE = (
    {"book", "reserve", "grab", "hold", "secure"},
    {"check", "free", "available", "availability", "open", "vacant"},
    {"weather", "forecast", "temperature", "rain", "sunny", "cold", "warm"},
    {"send", "mail", "email", "message", "notify", "tell"},
    {"search", "find", "look", "lookup", "query"},
    {"cancel", "delete", "remove", "drop"},
    {"buy", "order", "purchase"},
    {"add", "plus", "sum", "total"},
    {"multiply", "times", "product"},
    {"price", "cost", "much"},
)
_ACTIONS = {
    "add", "book", "buy", "cancel", "create", "delete", "drop", "grab", "hold", "make", "order", "pay",
    "post", "purchase", "remove", "reserve", "schedule", "send", "set", "submit", "transfer",
    "update", "write",
}  # fmt: skip
_FILLER = {
    "a", "about", "an", "and", "are", "as", "at", "be", "by", "can", "could", "did", "do", "does", "for",
    "from", "get", "has", "have", "i", "if", "in", "is", "it", "its", "me", "my", "now", "of", "on", "or",
    "please", "s", "so", "that", "the", "then", "there", "this", "to", "was", "we", "what", "when", "where",
    "which", "who", "will", "with", "you", "your", "tell", "say", "said",
}  # fmt: skip
_NEGATIVE = re.compile(
    r"\b(?:unavailable|busy|taken|occupied|full|closed|error|failed|denied|false|booked|reserved)\b"
    r"|\bnot (?:free|available|possible|found|open)\b|^no\b",
    re.IGNORECASE,
)
_POSITIVE = re.compile(r"\bnot (?:booked|taken|busy|occupied|reserved|full)\b", re.IGNORECASE)


class RuleBrain:
    """Answers by general rules.

    A forced tool is called. An action (`reserve_room`) is taken only when its verb was said, after the
    inquiry about the same thing (`check_room`) and only if that came back well. Arguments come from the
    newest user message, then from earlier calls. Without a tool to call it reports what tools returned, or
    quotes what it remembers.

    Args:
        year: The year of dates that name none.
    """

    def __init__(self, *, year: int = 2026) -> None:
        self._year = year

    def __call__(self, context: Context) -> Turn:
        """The turn that this context calls for."""
        tool = self._choose(context)
        if tool is not None:
            return self._call(context, tool)
        form = ((context.request.get("text") or {}).get("format")) or {}
        if form.get("type") == "json_schema":
            answer = fill(form.get("schema") or {}, context.user_text, year=self._year)
            return Turn().reply_json(answer)
        said = self._report(context) or self._recall(context)
        if form.get("type") == "json_object":
            return Turn().reply_json({"reply": said})
        return Turn().reply(said)

    def _call(self, context: Context, tool: Item) -> Turn:
        if tool["type"] == "custom":
            return Turn().call_custom_tool(tool["name"], context.user_text)
        memory = _remembered(context)
        schema = tool.get("parameters") or {}
        arguments = fill(schema, context.user_text, memory=memory, year=self._year)
        return Turn().call_tool(tool["name"], arguments if isinstance(arguments, dict) else {})

    def _choose(self, context: Context) -> Item | None:
        tools, forced = _offered(context)
        done = [call["name"] for call, _ in _since_user(context).calls()]
        waiting = [tool for tool in tools if tool["name"] not in done]
        said = _words(context.user_text)
        bad = _came_back_badly(context)
        wanted = [tool for tool in waiting if not bad and _asked_for(tool, said, context.user_text)]
        if not wanted and forced:
            wanted = [tool for tool in waiting if not _acts(tool)] or waiting
        if not wanted:
            return None
        best = max(wanted, key=lambda tool: (not _acts(tool), _score(tool, context.user_text)))
        if _acts(best) and not done:
            looks = [tool for tool in waiting if not _acts(tool) and _same_thing(tool, best)]
            return looks[0] if looks else best
        return best

    def _report(self, context: Context) -> str:
        calls = [(call, output) for call, output in _since_user(context).calls() if output]
        if not calls:
            return ""
        told = [f"{_title(call)}: {_sentence(text_of(output))}" for call, output in calls]
        return "Here is the result. " + " ".join(told)

    def _recall(self, context: Context) -> str:
        said = [text_of(item) for item in context if item.get("role") == "user"]
        if not said:
            return "Hello."
        newest, earlier = said[-1], said[:-1]
        echo = f"You said: {newest}"
        if not earlier:
            return echo
        words = _words(newest)
        near = max(earlier, key=lambda text: len(words & _words(text)))
        if "?" in newest and words & _words(near):
            return f"You told me earlier: {near}"
        return f"{echo} (message {len(said)}; you began with: {earlier[0]})"


def _offered(context: Context) -> tuple[list[Item], bool]:
    """The tools that may be called, and whether one must be."""
    tools = [tool for tool in context.tools if tool.get("type") in {"function", "custom"}]
    choice = context.request.get("tool_choice")
    if isinstance(choice, dict):
        names = {choice.get("name")}
        if choice.get("type") == "allowed_tools":
            names = {each.get("name") for each in choice.get("tools") or ()}
            must = choice.get("mode") == "required"
        else:
            must = True
        return [tool for tool in tools if tool["name"] in names], must
    return ([] if choice == "none" else tools), choice == "required"


def _since_user(context: Context) -> Context:
    newest = max((i for i, item in enumerate(context) if item.get("role") == "user"), default=0)
    return Context(context[newest:])


def _came_back_badly(context: Context) -> bool:
    texts = [text_of(output) for _, output in context.answered]
    return any(_NEGATIVE.search(text) and not _POSITIVE.search(text) for text in texts)


def _remembered(context: Context) -> dict[str, Any]:
    memory: dict[str, Any] = {}
    for call, _ in context.calls():
        try:
            arguments = json.loads(call.get("arguments") or "{}")
        except ValueError:
            continue
        if isinstance(arguments, dict):
            memory.update(arguments)
    return memory


def _tokens(text: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return [_stem(word) for word in re.findall(r"[a-z]+", spaced.lower())]


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 3:
            return word.removesuffix(ending)
    return word


def _words(text: str) -> set[str]:
    """Content words, each with its near-synonyms."""
    words = {word for word in _tokens(text) if word not in _FILLER}
    return words.union(*(group for group in _ALIKE if words & group))


def _acts(tool: Item) -> bool:
    return any(token in _ACTIONS for token in _tokens(tool["name"])[:1])


def _score(tool: Item, text: str) -> float:
    said = _words(text)
    name, about = set(_tokens(tool["name"])), set(_tokens(str(tool.get("description") or "")))
    properties = (tool.get("parameters") or {}).get("properties")
    hints = {token for parameter in _names(properties) for token in _tokens(parameter)}
    return 3 * len(said & name) + len(said & about - name) + 0.5 * len(said & hints - name)


def _names(properties: Any) -> list[str]:
    return list(properties) if isinstance(properties, dict) else []


def _asked_for(tool: Item, said: set[str], text: str) -> bool:
    if _acts(tool):
        return _tokens(tool["name"])[0] in said
    return _score(tool, text) >= 3


def _same_thing(one: Item, other: Item) -> bool:
    nouns = [set(_tokens(tool["name"])[1:]) for tool in (one, other)]
    return bool(nouns[0] & nouns[1])


def _title(call: Item) -> str:
    try:
        arguments = json.loads(call.get("arguments") or "{}")
    except ValueError:
        arguments = {}
    values = ", ".join(str(each) for each in arguments.values() if each is not None)
    name = " ".join(_tokens(call["name"])).capitalize()
    return f"{name} ({values})" if values else name


def _sentence(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if isinstance(value, dict):
        text = ", ".join(f"{key}: {_plain(each)}" for key, each in value.items())
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
