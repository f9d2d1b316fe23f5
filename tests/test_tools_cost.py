"""What conversion costs, as counts of executed bytecodes in an interpreter of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent / "benchmarks"

COUNT = """
import json

from measure import counting_bytecodes

def bytecodes(work):
    with counting_bytecodes() as counted:
        work()
    return counted()
"""

MODEL = """
from pydantic import BaseModel, Field, create_model
from responses_adapters.tools import to_responses_tool
from responses_adapters.tools.json_schema import to_wire_schema

def model(name):
    leaf = create_model(name + "Leaf", **{f"v{i}": (str, Field(description="A value")) for i in range(5)})
    fields = {f"t{i}": (str, Field(description="Text")) for i in range(10)}
    fields |= {f"n{i}": (int, 3) for i in range(10)}
    fields |= {f"m{i}": (list[leaf] if i % 2 else leaf | None, None) for i in range(10)}
    return create_model(name, **fields)

to_responses_tool(model("Warm"))
made = model("Order")
theirs = bytecodes(made.model_json_schema)
first = bytecodes(lambda: to_responses_tool(made))
again = bytecodes(lambda: to_responses_tool(made))
print(json.dumps({"theirs": theirs, "first": first, "again": again}))
"""

WIDE = """
from responses_adapters.tools.json_schema import to_wire_schema

def wide(count):
    child = {"type": "string", "description": "One of many", "default": "x"}
    return {"type": "object", "properties": {f"p{i}": child for i in range(count)}}

to_wire_schema(wide(3))
print(json.dumps([bytecodes(lambda: to_wire_schema(wide(n))) for n in (500, 5000)]))
"""


def run(script: str) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", COUNT + script],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS)},
    )
    counts: dict[str, int] = json.loads(done.stdout)
    return counts


def test_converting_a_thirty_field_model_costs_at_most_twice_its_json_schema():
    counts = run(MODEL)

    assert counts["first"] <= 2 * counts["theirs"], counts


def test_converting_the_same_model_again_costs_almost_nothing():
    counts = run(MODEL)

    assert counts["again"] <= counts["first"] / 30, counts


def test_the_cost_is_linear_up_to_five_thousand_properties():
    small, large = run(WIDE)

    assert large <= 11 * small, (small, large)
