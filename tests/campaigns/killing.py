"""Worker processes that are killed again and again until the work is done, and what their kills cost."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import quantiles
from typing import Any

from responses_adapters.testing import Backend, Reply, Request

__all__ = [
    "WORKER_HEADER",
    "Gunman",
    "Plan",
    "measure_window",
    "run",
    "run_to_the_end",
    "summary",
]

WORKER_HEADER = "x-worker"
"""Each request names the process that sent it."""

ANY_TIME, ACCEPTANCE, POLL = OCCASIONS = ("any time", "acceptance", "poll")
"""When workers are killed, one after the other."""


class Gunman:
    """A backend that kills the process it has just heard from, before that hears of the answer.

    Attributes:
        aim: What costs the next worker its life: a job that is accepted, or a poll for one that is known.
        shots: How many each has cost.
        alive: Processes that may be killed.
        accepted: When each job was, by the id of its response.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.aim: str | None = None
        self.shots: Counter[str] = Counter()
        self.alive: set[int] = set()
        self.accepted: dict[str, float] = {}

    def handle(self, request: Request) -> Reply:
        """The backend's reply, which may find nobody any more."""
        reply = self.backend.handle(request)
        if request.method == "POST":
            newest = self.backend.requests[-1].response_id
            if newest is not None:
                self.accepted[newest] = time.monotonic()
        happened = ACCEPTANCE if request.method == "POST" else POLL
        worker = int(request.headers[WORKER_HEADER])
        if self.aim == happened and worker in self.alive:
            self.aim = None
            self.alive.discard(worker)
            os.kill(worker, signal.SIGKILL)
            self.shots[happened] += 1
        return reply


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is run, and how roughly.

    Attributes:
        threads: Conversations.
        turns: Of each.
        workers: Processes at a time.
        kills: How many are killed: at any time, when the server has accepted a job, and when it was asked for a
            job whose id is saved, in turn.
        keys: Whether the server honours the Idempotency-Key; to PydanticAI it then keeps no conversations, as Valar.
        limit: Seconds until a thread counts as stuck.
        probes: Conversations held first, undisturbed, to measure with.
    """

    threads: int
    turns: int
    workers: int
    kills: int
    keys: bool
    limit: float
    probes: int


def run_to_the_end(
    plan: Plan, gunman: Gunman, start: Callable[[int], BaseProcess], done: Callable[[], bool]
) -> dict[str, Any]:
    """Keep the workers running, and kill them, until the work is done.

    Args:
        plan: How many of each.
        gunman: The backend.
        start: Starts the worker of a slot.
        done: Whether nothing is left to do.

    Raises:
        RuntimeError: A worker ended by an error of its own.
    """
    chance = random.Random(0)
    begun = time.monotonic()
    next_kill = begun + 1.0
    crew = [start(slot) for slot in range(plan.workers)]
    try:
        while not (finished := done()) and time.monotonic() - begun < plan.limit:
            for slot, worker in enumerate(crew):
                if worker.exitcode not in {None, -signal.SIGKILL}:
                    raise RuntimeError(f"worker {slot} ended with {worker.exitcode}")
                if not worker.is_alive():
                    crew[slot] = start(slot)
            gunman.alive = {each.pid for each in crew if each.pid is not None}
            killed = gunman.shots.total()
            if killed < plan.kills and gunman.aim is None and time.monotonic() > next_kill:
                next_kill = time.monotonic() + chance.uniform(0.1, 0.8)
                occasion = OCCASIONS[killed % len(OCCASIONS)]
                if occasion == ANY_TIME:
                    chance.choice(crew).kill()
                    gunman.shots[occasion] += 1
                else:
                    gunman.aim = occasion
            time.sleep(0.02)
    finally:
        for worker in crew:
            worker.kill()
            worker.join()
    return {
        "seconds": round(time.monotonic() - begun, 1),
        "in time": finished,
        "kills": {occasion: gunman.shots[occasion] for occasion in OCCASIONS},
    }


def measure_window(
    gunman: Gunman, worker: BaseProcess, done: Callable[[], bool], is_saved: Callable[[str], bool]
) -> dict[str, float]:
    """Milliseconds from the acceptance of a job until the database knows it, while one worker works undisturbed."""
    durations: list[float] = []
    seen: set[str] = set()
    while not done():
        for response_id, accepted in list(gunman.accepted.items()):
            if response_id not in seen and is_saved(response_id):
                durations.append((time.monotonic() - accepted) * 1000)
                seen.add(response_id)
    worker.kill()
    worker.join()
    gunman.accepted.clear()
    if len(durations) < 2:
        return {}
    cuts = quantiles(durations, n=20)
    return {"median": round(cuts[9], 1), "95 %": round(cuts[18], 1)}


def summary(
    plan: Plan,
    told: dict[str, Any],
    *,
    jobs: Collection[str],
    flaws: list[str],
    again: Collection[str],
    known: Collection[str],
    window: dict[str, float],
) -> dict[str, Any]:
    """The figures of a campaign.

    Args:
        plan: What was run.
        told: What `run_to_the_end` told.
        jobs: Responses that stand in a conversation.
        flaws: What is wrong with the conversations.
        again: Responses that stand in none, because their job was submitted again.
        known: Those of them that the database knew.
        window: What `measure_window` told.
    """
    return {
        "threads": plan.threads,
        "turns": plan.threads * plan.turns,
        "jobs": len(jobs),
        "honours keys": plan.keys,
        **told,
        "flaws": flaws,
        "jobs submitted again": len(again),
        "known jobs submitted again": len(known),
        "milliseconds until a job is known": window,
    }


def run(title: str, campaign: Callable[[str, Plan], dict[str, Any]], **defaults: int) -> None:
    """The command line of a campaign: run it, print its figures, write them to a file."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("database", help="address of an empty PostgreSQL database")
    for name in ("threads", "turns", "workers", "kills", "probes"):
        parser.add_argument(f"--{name}", type=int, default=defaults[name])
    parser.add_argument("--limit", type=float, default=900, help="seconds until it counts as stuck")
    parser.add_argument("--keys", action="store_true", help="the server honours Idempotency-Key")
    parser.add_argument("--json", type=Path)
    given = vars(parser.parse_args())
    database, target = given.pop("database"), given.pop("json")
    figures = json.dumps(campaign(database, Plan(**given)), indent=2)
    print(figures)
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(figures + "\n")
