"""Record a real server once, and replay it in every test from then on.

Why: a recording is the server's own words, streams and timing included, in a YAML file that you can read and edit.
Keys are not in it. `Replay` stands wherever the fake backend can, and complains of requests that were not recorded.

Run: python -m responses_adapters run cookbook/testing_record_and_replay.py
     or, against a server: OPENAI_API_KEY=... python cookbook/testing_record_and_replay.py

Prints:
    recorded: ['You said: We are 8 people.', 'You told me earlier: We are 8 people.']
    replayed: True
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from openai import OpenAI

from responses_adapters.endpoints import resolve_endpoint
from responses_adapters.testing import openai_client
from responses_adapters.testing.record import record_into
from responses_adapters.testing.replay import Replay

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")


def talk(client: OpenAI) -> list[str]:
    """What your program does."""
    first = client.responses.create(model=MODEL, input="We are 8 people.")
    stream = client.responses.create(
        model=MODEL, input="How many people?", previous_response_id=first.id, stream=True
    )
    words = [event.delta for event in stream if event.type == "response.output_text.delta"]
    return [first.output_text, "".join(words)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "recorded.yaml"
        # As `responses-adapters record --output recorded.yaml` does for a program in another process.
        with record_into(script, resolve_endpoint()) as recorder:
            heard = talk(OpenAI(base_url=recorder.base_url))
        print("recorded:", heard)
        replay = Replay.from_file(script)
        print("replayed:", talk(openai_client(replay)) == heard)
        replay.verify()  # everything was asked for, and nothing else


if __name__ == "__main__":
    main()

# Where next: `responses-adapters serve --script recorded.yaml` serves it to programs in any language.
