"""Tests that no change calls the device more often: see budgets.txt."""

import pytest

import scratchvae as sv
from null_device.budgets import COLUMNS, SMALL, cases, measure, read_table
from scratchvae.fused import FusedAdam

pytestmark = pytest.mark.null_device


@pytest.fixture
def plain(device):
    if device.mode != "plain":
        pytest.skip("the numbers are the same in each mode")


def excesses(name, numbers, table):
    """The numbers that are larger than those of the table."""
    return [
        f"{name}, {task}: {number} {column}, at most {budget} expected"
        for task, values in numbers.items()
        for column, number, budget in zip(COLUMNS, values, table[name, task], strict=True)
        if number > budget
    ]


@pytest.mark.parametrize("name", cases())
def test_the_device_is_called_no_more_often_than_before(plain, name):
    assert excesses(name, measure(*cases()[name]), read_table()) == []


def test_the_table_has_each_case():
    assert list(dict.fromkeys(name for name, _ in read_table())) == list(cases())


def test_a_launch_a_copy_and_a_wait_more_are_found(plain, monkeypatch):
    table = {("now", task): numbers for task, numbers in measure(sv.VAE, SMALL, {}).items()}
    step = FusedAdam.step

    def step_and_more(self, dtheta):
        step(self, dtheta)
        self.seen = float(dtheta.sum())

    monkeypatch.setattr(FusedAdam, "step", step_and_more)
    found = excesses("now", measure(sv.VAE, SMALL, {}), table)
    for task in ("fit", "graph"):
        budget = dict(zip(COLUMNS, table["now", task], strict=True))
        for column in ("calls", "copies", "waits"):
            assert f"now, {task}: {budget[column] + 1} {column}, at most {budget[column]} expected" in found
