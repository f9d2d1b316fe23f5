"""Measure an unknown server: what it keeps, accepts and streams, and the `ServerProfile` that says so.

Probes are generators without I/O: they yield calls, are resumed with answers, and end in verdicts with their
evidence. One thin shell makes the calls.
"""

from __future__ import annotations

from .chart import UnusableServerError, Verdict
from .command import run
from .shell import diagnose
from .visit import Diagnosis, Request

__all__ = ["Diagnosis", "Request", "UnusableServerError", "Verdict", "diagnose", "run"]
