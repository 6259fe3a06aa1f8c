"""The numbers of many small trainings, held against those that were recorded: see `cases` and `record`."""

import pytest
from golden import record

RECORDED = record.read(record.GOLDEN)
ROUNDING, ROUNDING_OF_FLOAT32 = 1e-12, 2e-5


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    return record.computed(tmp_path_factory.mktemp("golden") / "computed.npz")


def errors_of(name, computed):
    case = computed.cases[name]
    if "left out" in case:
        pytest.skip(case["left out"])
    if "error" in case:
        pytest.fail(f"{name}:\n{case['error']}", pytrace=False)
    return record.errors(case, RECORDED.cases[name])


def refuse(name, wrong):
    if wrong:
        lines = (f"  {of}: {error if isinstance(error, str) else f'off by {error:.1e}'}" for of, error in wrong.items())
        pytest.fail("\n".join([f"{name}:", *lines]), pytrace=False)


def test_all_cases_are_recorded_and_no_others(computed):
    assert list(computed.cases) == list(RECORDED.cases)


@pytest.mark.parametrize("name", RECORDED.cases)
def test_numbers_are_as_they_were_but_for_rounding(name, computed):
    single = any(array.dtype == "float32" for array in RECORDED.cases[name]["arrays"].values())
    bearable = ROUNDING_OF_FLOAT32 if single else ROUNDING
    errors = errors_of(name, computed)
    wrong = {of: error for of, error in errors.items() if isinstance(error, str) or not error <= bearable}
    refuse(name, wrong)


@pytest.mark.parametrize("name", [name for name in RECORDED.cases if not name.startswith("native")])
def test_numbers_are_as_they_were_to_the_bit(name, computed):
    here, there = computed.machine, RECORDED.machine
    if other := [of for of in there if here.get(of) != there[of]]:
        pytest.skip(f"bits may be others here, for what was recorded is of another {', '.join(other)}")
    refuse(name, errors_of(name, computed))
