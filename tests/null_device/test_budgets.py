"""Tests that no change calls the device more often: see budgets.txt."""

import re

import pytest

import scratchvae as sv
from null_device.budgets import COLUMNS, SMALL, cases, measure, read_table
from scratchvae.fused import FusedAdam

pytestmark = pytest.mark.null_device


@pytest.fixture
def plain(device):
    if device.mode != "plain":
        pytest.skip("the numbers are the same in each mode")


def excesses(name, numbers):
    """The numbers that are larger than those of the table."""
    table = read_table()
    return [
        f"{name}, {task}: {number} {column}, at most {budget} expected"
        for task, values in numbers.items()
        for column, number, budget in zip(COLUMNS, values, table[name, task], strict=True)
        if number > budget
    ]


@pytest.mark.parametrize("name", cases())
def test_the_device_is_called_no_more_often_than_before(plain, name):
    assert excesses(name, measure(*cases()[name])) == []


def test_the_table_has_each_case():
    assert list(dict.fromkeys(name for name, _ in read_table())) == list(cases())


def test_a_launch_a_copy_and_a_wait_more_are_found(plain, monkeypatch):
    step = FusedAdam.step

    def step_and_more(self, dtheta):
        step(self, dtheta)
        self.seen = float(dtheta.sum())

    monkeypatch.setattr(FusedAdam, "step", step_and_more)
    found = " ".join(excesses("activation relu", measure(sv.VAE, SMALL, {})))
    for task in ("fit", "graph"):
        for column in ("calls", "copies", "waits"):
            (excess,) = re.findall(rf"activation relu, {task}: (\d+) {column}, at most (\d+)", found)
            assert int(excess[0]) == int(excess[1]) + 1
