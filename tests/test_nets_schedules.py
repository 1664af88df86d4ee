"""Schedules have the values that their papers give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.nets.schedules import RATES, SHARES, cosine, coslog4, flat_cos


@pytest.mark.parametrize(("progress", "share"), [(0.0, 1.0), (1 / 3, 0.75), (0.5, 0.5), (2 / 3, 0.25), (1.0, 0.0)])
def test_half_a_wave(progress, share):
    assert cosine(progress) == pytest.approx(share)


@pytest.mark.parametrize("wave", range(4))
def test_waves_end_at_zero_where_progress_doubles_and_peak_between(wave):
    start, end = ((2**number - 1) / 15 for number in (wave, wave + 1))
    assert coslog4(start) == pytest.approx(0.0, abs=1e-12)
    assert coslog4(end) == pytest.approx(0.0, abs=1e-12)
    assert coslog4((2 ** (wave + 0.5) - 1) / 15) == pytest.approx(1.0)
    assert coslog4((2 ** (wave + 0.25) - 1) / 15) == pytest.approx(0.5)


@pytest.mark.parametrize(("progress", "share"), [(0.0, 1.0), (0.5, 1.0), (2 / 3, 0.75), (0.75, 0.5), (1.0, 0.0)])
def test_flat_then_half_a_wave(progress, share):
    assert flat_cos(progress) == pytest.approx(share)


@given(st.floats(0, 1))
def test_shares_stay_within_0_and_1(progress):
    for schedule in (*RATES.values(), *SHARES.values()):
        assert 0.0 <= schedule(progress) <= 1.0
