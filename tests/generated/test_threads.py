"""Many sessions at once, watched by the thread sanitizer."""

from __future__ import annotations

from generated import workshop


def test_sessions_in_threads(headers):
    program = workshop.compile_program(
        workshop.HERE / "threads.cpp", headers, "-pthread", "-fsanitize=thread"
    )
    workshop.run(program, TSAN_OPTIONS="halt_on_error=1")
