"""Tests that the numbers of many small trainings equal the recorded ones: see `cases` and `record`."""

import pytest
from golden import record

RECORDED = record.read(record.GOLDEN)
ROUNDING, ROUNDING_FLOAT32 = 1e-12, 2e-5


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    return record.compute_all(tmp_path_factory.mktemp("golden") / "computed.npz")


def differences_of(name, computed):
    case = computed.cases[name]
    if "skipped" in case:
        pytest.skip(case["skipped"])
    if "error" in case:
        pytest.fail(f"{name}:\n{case['error']}", pytrace=False)
    return record.errors(case, RECORDED.cases[name])


def fail_on_differences(name, differences):
    if differences:
        lines = (
            f"  {number}: {error if isinstance(error, str) else f'off by {error:.1e}'}"
            for number, error in differences.items()
        )
        pytest.fail("\n".join([f"{name}:", *lines]), pytrace=False)


def test_exactly_the_recorded_cases_are_computed(computed):
    assert list(computed.cases) == list(RECORDED.cases)


@pytest.mark.parametrize("name", RECORDED.cases)
def test_numbers_equal_the_recorded_ones_up_to_rounding(name, computed):
    single = any(array.dtype == "float32" for array in RECORDED.cases[name]["arrays"].values())
    tolerance = ROUNDING_FLOAT32 if single else ROUNDING
    differences = differences_of(name, computed).items()
    too_large = {number: error for number, error in differences if isinstance(error, str) or not error <= tolerance}
    fail_on_differences(name, too_large)


@pytest.mark.parametrize("name", [name for name in RECORDED.cases if not name.startswith("native")])
def test_numbers_equal_the_recorded_ones_to_the_bit(name, computed):
    current, recorded = computed.machine, RECORDED.machine
    if different := [feature for feature in recorded if current.get(feature) != recorded[feature]]:
        pytest.skip(f"bits may differ: the numbers were recorded with another {', '.join(different)}")
    fail_on_differences(name, differences_of(name, computed))
