"""What is known of each emulated server, how it is known, and what can be switched: a table for readers."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

__all__ = ["FACTS", "SOURCES", "Fact", "facts_table"]


class Fact(NamedTuple):
    """One statement about an emulated server.

    Attributes:
        server: Its name.
        says: What the fake does.
        basis: `"documented"` by the server's own pages, `"measured"` on the real thing, `"inferred"`
            from either, `"unknown"` and answered with 501.
        switch: How to have it otherwise.
    """

    server: str
    says: str
    basis: Literal["documented", "measured", "inferred", "unknown"]
    switch: str = ""


FACTS: Final = (
    Fact("openai", "Unknown, expired or unstored previous response: 400 previous_response_not_found.", "documented", "lose_previous_as(404, shape=...)"),
    Fact("openai", "Instructions are not inherited; previous_response_id excludes conversation.", "documented", "configure(inherits_instructions=True)"),
    Fact("openai", "Calls without outputs, outputs without calls, repeated ids: 400.", "documented", "configure(strict_pairs=False, strict_ids=False)"),
    Fact("openai", "Reasoning must come with its following item, and sealed content unaltered.", "documented", "configure(strict_reasoning=False, strict_seals=False)"),
    Fact("openai", "Streams carry event: lines and sequence numbers, and no [DONE].", "documented", "configure(done_line=True)"),
    Fact("openai", "Continuing an unfinished response: 400.", "inferred"),
    Fact("openai", "A failed or cancelled response cannot be continued.", "inferred"),
    Fact("openai", "A cancelled background response has no terminal event.", "inferred"),
    Fact("openai", "Rate limit of 10,000 requests a minute, told in x-ratelimit headers; the number is ours.", "inferred", "configure(rate_limit=n)"),
    Fact("openai", "A body, or a WebSocket message, over 128 MiB: 413; the number and the text are ours.", "inferred", "configure(max_body=n)"),
    Fact("azure", "As openai.", "inferred"),
    Fact("valar", "Refused with 400: stream, store=false, previous_response_id, conversation, parallel_tool_calls, prompt, truncation other than disabled, json_object, server tools, encrypted reasoning.", "documented", "configure(refusals=...)"),
    Fact("valar", "The text and parameter of those errors.", "inferred"),
    Fact("valar", "instructions is refused; the quickstart sends it all the same.", "documented", "configure(refusals=...) or configure(ignores=frozenset({'instructions'}))"),
    Fact("valar", "Roles are user, system, assistant, tool and function, as its schema lists them; no developer.", "documented", "configure(roles=(...))"),
    Fact("valar", "Background: 202 with usage; pending, running, completed by the reference.", "documented", "configure(background_waits=('queued', 'in_progress'))"),
    Fact("valar", "Idempotency-Key: the current record again; another body is an idempotency_error.", "documented"),
    Fact("valar", "Usage with aliases, both details in both.", "documented"),
    Fact("valar", "The flex window needs background; windows are asap, standard, flex.", "documented"),
    Fact("valar", "Webhooks: the bytes of a GET, Bearer token, three tries.", "documented", "deliver_webhooks(post)"),
    Fact("valar", "A synchronous call can end in 504 while the response goes on.", "documented", "reply(...).time_out()"),
    Fact("valar", "Streaming, as announced in an unpublished draft.", "documented", "configure(refusals=VALAR_STREAMS)"),
    Fact("blackbox", "Flat tools only; errors carry the HTTP status as an integer code.", "documented"),
    Fact("blackbox", "Every earlier call must come back, each output after its group of calls: 400 otherwise.", "documented"),
    Fact("blackbox", "That 400 is the status.", "inferred"),
    Fact("blackbox", "Codex models: nothing stored, reasoning with encrypted content in every answer.", "documented", "configure(strict_seals=True) refuses altered content"),
    Fact("blackbox", "Streams have four kinds of events, no numbers, no sentinel.", "documented", "configure(only_events=None, sequence_numbers=True)"),
    Fact("blackbox", "Errors after the start come inside HTTP 200.", "documented"),
    Fact("blackbox", "The first version demanded stream, store=false and instructions.", "documented", "configure(demands=BLACKBOX_LEGACY)"),
    Fact("blackbox", "previous_response_id, conversation, background, prompt.", "unknown", "configure(unknown=())"),
    Fact("orq", "A turn that waits for a client's tools is requires_action.", "documented"),
    Fact("orq", "store=false cannot be retrieved or continued; the status of the error is 404.", "inferred", "lose_previous_as(400)"),
    Fact("orq", "Assistant text that is no list of output_text parts never reaches the model.", "measured"),
    Fact("orq", "Reasoning events are response.reasoning.*; streams end with [DONE].", "inferred", "configure(done_line=False)"),
    Fact("orq", "Secret variables are neither echoed nor kept.", "documented"),
    Fact("orq", "Costs in usage when priced.", "documented", "configure(usage='orq_priced')"),
    Fact("orq", "/v2/router/responses is the same; /v3/responses answers 405.", "measured"),
    Fact("orq", "Unknown agents are agent_not_found, with 404.", "inferred", "configure(agents=(...))"),
    Fact("orq", "Schedules: hourly at most, UTC.", "documented"),
    Fact("orq", "mcp_approval_request and mcp_approval_response are items of its input; they work as OpenAI's.", "inferred"),
    Fact("orq", "background.", "unknown", "configure(unknown=())"),
    Fact("otari", "One endpoint, nothing stored, ids handed on and never resolved.", "documented"),
    Fact("otari", "Errors are details; 422 for missing fields; 400 for providers without Responses.", "documented"),
    Fact("otari", "Streams omit nulls and end with [DONE] only on success.", "documented"),
    Fact("otari", "Searches of the gateway itself are taken out of the input.", "documented"),
    Fact("otari", "background runs at once.", "inferred"),
    Fact("aleph-alpha", "Instructions: template, request, inherited, default, in this order.", "documented", "configure(prompts={...}, default_instructions=...)"),
    Fact("aleph-alpha", "A leading system message becomes the instructions.", "documented"),
    Fact("aleph-alpha", "Lost responses: 404 response_not_found.", "documented"),
    Fact("aleph-alpha", "Background: 202, a req_ id until it has finished, then a resp_ id.", "documented"),
    Fact("aleph-alpha", "Deleting hides; 200 for unknown ids, 425 for unfinished ones; PATCH restores.", "documented"),
    Fact("aleph-alpha", "conversation as a string is accepted, as one of two sources says.", "documented"),
    Fact("aleph-alpha", "Items without a type are taken as messages.", "inferred"),
    Fact("aleph-alpha", "MCP calls wait for approval unless require_approval is never.", "documented"),
    Fact("aleph-alpha", "Guardrails refuse before anything is said; the body of that error is ours.", "inferred", "configure(guardrails=(...), guardrail_error=(...))"),
    Fact("vllm", "Stores nothing unless told to; a chain loses its function calls.", "documented", "configure(store='default')"),
    Fact("vllm", "Cancelling a response that has ended is refused as synchronous.", "documented", "configure(cancels_ended=True)"),
    Fact("ollama", "The previous id is accepted and ignored.", "documented"),
    Fact("litellm", "Without a database: 200, the history dropped, an id echoed that was never sent.", "measured"),
    Fact("openrouter", "store=true and a previous id are refused with 400.", "documented"),
    Fact("openrouter", "background.", "unknown", "configure(unknown=())"),
    Fact("generic", "As openai, without rate-limit headers.", "inferred", "configure(...)"),
)  # fmt: skip

SOURCES: Final = {
    "openai": "https://developers.openai.com/docs/guides/background and the openai-node and openai-python SDKs",
    "azure": "https://learn.microsoft.com/azure/foundry/openai/how-to/responses",
    "valar": "https://docs.valarhq.ai/support and github.com/valarhq/docs openapi.json",
    "blackbox": "https://docs.blackbox.ai/api-reference/responses/tool-calling",
    "orq": "https://docs.orq.ai/docs/agents/responses-api and https://docs.orq.ai/docs/agents/agent-schedules",
    "otari": "https://docs.otari.ai and github.com/mozilla-ai/otari",
    "aleph-alpha": "https://docs.aleph-alpha.com/phariaai-dev-guide/latest/responses-api/index.html",
    "vllm": "github.com/vllm-project/vllm issues 22137 and 43244",
    "ollama": "https://docs.ollama.com and github.com/ollama/ollama issue 15404",
    "litellm": "LiteLLM proxy 1.106.2, run without a database",
    "openrouter": "https://openrouter.ai/docs/api-reference/responses-api-alpha/error-handling",
    "generic": "https://openresponses.org/specification",
}
"""Where the facts about each server come from."""


def facts_table() -> str:
    """Everything known, as a Markdown table: server, what the fake does, how that is known, the switch; then sources."""
    rows = ["| server | the fake | basis | switch |", "|---|---|---|---|"]
    for fact in FACTS:
        switch = f"`{fact.switch}`" if fact.switch else ""
        rows.append(f"| {fact.server} | {fact.says} | {fact.basis} | {switch} |")
    rows += ["", *(f"- {server}: {source}" for server, source in SOURCES.items())]
    return "\n".join(rows) + "\n"
