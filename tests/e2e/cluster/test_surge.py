"""The point of it all: at the recurring surge the twin with the forecast is ready in time."""

import os

import pytest

from tests.e2e.harness.twins import AHEAD, REACTIVE, Sample, bill


def test_the_twin_with_the_forecast_is_short_less_for_hardly_more_pods(
    surge: list[Sample], capsys: pytest.CaptureFixture[str]
) -> None:
    reactive, ahead = bill(surge, REACTIVE), bill(surge, AHEAD)
    ratio = ahead.pod_minutes / reactive.pod_minutes
    with capsys.disabled():
        print(f"\n{os.cpu_count()} cores, {len(surge)} samples, {surge[-1].time_s - surge[0].time_s:.0f} s")
        print(f"{'':24s} pod-minutes  pod-minutes short")
        print(f"{'HPA reacting':24s} {reactive.pod_minutes:11.1f}  {reactive.short_pod_minutes:17.2f}")
        print(f"{'HPA with the forecast':24s} {ahead.pod_minutes:11.1f}  {ahead.short_pod_minutes:17.2f}")
        print(f"{'ratio':24s} {ratio:11.3f}  {_share(ahead.short_pod_minutes, reactive.short_pod_minutes):>17s}")
    assert reactive.short_pod_minutes > 1, "the surge must hurt whoever reacts, or nothing is shown"
    assert ahead.short_pod_minutes < reactive.short_pod_minutes
    assert ratio <= 1.15


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.3f}" if whole else "-"
