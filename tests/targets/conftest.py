"""SYCL code is compiled and run by one process at a time: its tool chain takes the whole machine."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/targets/" in item.nodeid and "sycl" in item.nodeid:
            item.add_marker(pytest.mark.xdist_group("sycl"), append=False)
