"""Every test runs on every store, but for exceptions that are listed with a reason."""

from __future__ import annotations

import pytest

from .conftest import COLLECTED
from .places import EXCEPTIONS, STORES


def test_the_count_of_tests_is_equal_but_for_listed_exceptions(
    request: pytest.FixtureRequest,
) -> None:
    everywhere = set[str]().union(*COLLECTED.values())
    for store in STORES:
        for test in everywhere:
            cases = max(COLLECTED[one][test] for one in STORES)
            expected = 0 if (store, test) in EXCEPTIONS else cases
            assert COLLECTED[store][test] == expected, f"{test} on {store}"
    collected = {item.path.name for item in request.session.items}
    if {"test_store.py", "test_faults.py", "test_bounds.py", "test_forget.py"} <= collected:
        stale = {test for _, test in EXCEPTIONS} - everywhere
        assert not stale, f"EXCEPTIONS names tests that are not there: {sorted(stale)}"


def test_every_exception_has_a_reason() -> None:
    for (store, test), reason in EXCEPTIONS.items():
        assert store in STORES, test
        assert len(reason.split()) > 4, f"{test}: say why"
        assert not all((one, test) in EXCEPTIONS for one in STORES), f"{test} runs nowhere"
