from __future__ import annotations

import re
from pathlib import Path

from responses_adapters.testing import BEHAVIOURS, Backend, Behaviour
from responses_adapters.testing.facts import FACTS, SOURCES, facts_table


def test_every_server_has_its_facts() -> None:
    assert {fact.server for fact in FACTS} == set(BEHAVIOURS) == set(SOURCES)


def test_every_switch_that_is_named_exists() -> None:
    fields = Behaviour.__dataclass_fields__
    for fact in FACTS:
        for called in re.findall(r"(\w+)\(", fact.switch):
            assert called == "frozenset" or hasattr(Backend, called) or called == "time_out", called
        for inside in re.findall(r"configure\((.*?)\)", fact.switch):
            assert set(re.findall(r"(\w+)=", inside)) <= set(fields), fact


def test_whatever_is_answered_with_501_says_so_in_the_table() -> None:
    told = {fact.server: fact.says for fact in FACTS if fact.basis == "unknown"}
    for name, behaviour in BEHAVIOURS.items():
        assert bool(behaviour.unknown) == (name in told)
        assert all(path in told[name] for path in behaviour.unknown)


def test_the_table_has_a_row_for_every_fact() -> None:
    lines = facts_table().split("\n\n")[0].splitlines()
    assert len(lines) == len(FACTS) + 2
    assert {line.count("|") for line in lines} == {5}


def test_the_handbook_holds_the_table() -> None:
    handbook = Path(__file__).parents[1] / "cookbook" / "README.md"
    assert handbook.read_text(encoding="utf-8").endswith("\n\n" + facts_table())
