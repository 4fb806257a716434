"""Durations, rates and shares: what people write, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockrun.units import rate, seconds, share


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("250ms", 0.25),
        ("2s", 2.0),
        ("1m", 60.0),
        ("1.5 s", 1.5),
        ("10us", 1e-5),
        (3, 3.0),
        (0.5, 0.5),
        ("0", 0.0),
    ],
)
def test_a_duration_is_in_seconds(text: str | float, wanted: float) -> None:
    assert seconds(text) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("100kB/s", 100_000), ("1MiB/s", 1_048_576), ("2GB", 2e9), ("5B/s", 5), (10, 10), ("1.5 KiB/s", 1536)],
)
def test_a_rate_is_in_bytes_a_second(text: str | float, wanted: float) -> None:
    assert rate(text) == wanted


@pytest.mark.parametrize(("text", "wanted"), [("10%", 0.1), ("100%", 1.0), ("0%", 0.0), (0.25, 0.25), (1, 1.0)])
def test_a_share_is_a_fraction(text: str | float, wanted: float) -> None:
    assert share(text) == pytest.approx(wanted)


NO_DURATIONS = ["", "s", "-1s", "1 h", "1,5s", "1S", "1s ", "\u0661s", "1s/s", "1e5000", "nan", "1" * 5000]


@pytest.mark.parametrize("text", [*NO_DURATIONS, -1, math.inf, math.nan, True])
def test_what_is_no_duration_is_refused(text: str | float) -> None:
    with pytest.raises(ValueError, match="is not a duration such as"):
        seconds(text)


@pytest.mark.parametrize("text", ["100kb/s", "100%", "1ms", "fast", "1kB/m"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate such as 100kB/s"):
        rate(text)


def test_a_rate_of_nothing_is_refused_since_nothing_would_ever_arrive() -> None:
    with pytest.raises(ValueError, match="nothing would ever arrive"):
        rate("0kB/s")


@pytest.mark.parametrize("text", ["101%", 1.5, "-1%", "10 percent"])
def test_a_share_is_never_more_than_all(text: str | float) -> None:
    with pytest.raises(ValueError, match="a number from 0 to 1"):
        share(text)


def test_a_long_wrong_value_is_cut_in_its_message() -> None:
    with pytest.raises(ValueError, match="is not a duration") as caught:
        seconds("9" * 10_000)
    assert len(str(caught.value)) < 120


@given(st.floats(min_value=0, max_value=1e9, allow_subnormal=False).filter(lambda number: number > 1e-90 or not number))
def test_a_number_and_its_text_are_the_same_duration(number: float) -> None:
    """Expressions give numbers, files give text; `1e-05` is what Python makes of a small number."""
    assert seconds(number) == seconds(str(number)) == number


@given(st.integers(min_value=0, max_value=10**9))
def test_units_agree_with_each_other(number: int) -> None:
    assert seconds(f"{number}ms") == pytest.approx(seconds(number) / 1000)
    assert rate(f"{number + 1}MB/s") == rate(f"{number + 1}000kB/s")
