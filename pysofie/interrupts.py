"""Interrupts that wait for a good moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def held() -> Iterator[None]:
    """Let signals that would raise an exception do so at the end of the context, but a second one at once.

    Raised anywhere, such an exception may come into a destructor, where Python drops it, or into a function
    that ROOT calls, where it is lost or ends the process without any cleaning up.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {known: handler for known in _NUMBERS if callable(handler := signal.getsignal(known))}
    waiting: list[int] = []

    def hold(number: int, frame: object) -> None:
        waiting.append(number)
        if len(waiting) > 1:
            handlers[signal.Signals(number)](number, None)

    for known in handlers:
        signal.signal(known, hold)
    try:
        yield
    finally:
        for known, handler in handlers.items():
            signal.signal(known, handler)
    for number in waiting:
        handlers[signal.Signals(number)](number, None)
