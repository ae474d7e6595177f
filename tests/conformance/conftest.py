"""Prints how much of ONNX's suite passes."""

from __future__ import annotations

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    counts = {"right": 0, "refused": 0}
    for report in terminalreporter.stats.get("passed", []):
        outcome = dict(report.user_properties).get("conformance")
        if outcome is not None and report.when == "call":
            counts[outcome] += 1
    if any(counts.values()):
        terminalreporter.write_line(
            f"ONNX backend tests: {counts['right']} right, {counts['refused']} refused (see refused.txt)"
        )
