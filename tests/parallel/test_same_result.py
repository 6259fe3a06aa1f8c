"""Several processes end with the weights and the history of one, to rounding."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from parallel.mpi import needs_mpi4py, needs_mpiexec, run
from parallel.trainings import FREE_BITS, TRAININGS
from parallel.trainings import __file__ as PROGRAM

TOLERANCE = 1e-12


@pytest.fixture(scope="module")
def of_one():
    """The results of one process, each computed once."""
    results = {}
    return lambda name: results[name] if name in results else results.setdefault(name, TRAININGS[name](None))


@pytest.fixture(scope="module", params=[2, 3, pytest.param(4, marks=pytest.mark.slow)])
def of_several(request, tmp_path_factory):
    """The results of several processes by the names of the trainings."""
    path = tmp_path_factory.mktemp("results") / "results.npz"
    run(request.param, PROGRAM, path)
    results = {}
    with np.load(path) as file:
        for name in file.files:
            training, _, part = name.partition("/")
            results.setdefault(training, {})[part] = file[name]
    return results


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].shape == values.shape, name
        assert np.linalg.norm(found[name] - values) <= TOLERANCE * np.linalg.norm(values), name


@needs_mpiexec
@pytest.mark.parametrize("name", TRAININGS)
def test_several_processes_end_where_one_ends(name, of_several, of_one):
    assert_same(of_several[name], of_one(name))


@needs_mpiexec
def test_free_bits_of_the_mean_over_the_rows_of_a_process_would_end_elsewhere(of_several, of_one):
    expected = of_one("free bits")["change of the weights"]
    difference = np.linalg.norm(of_several["wrong free bits"]["change of the weights"] - expected)
    assert difference > 1e-6 * np.linalg.norm(expected)


@needs_mpi4py
@pytest.mark.parametrize("name", TRAININGS)
def test_a_group_of_one_process_ends_with_the_same_bits(name, of_one):
    from mpi4py import MPI

    found, expected = TRAININGS[name](MPI.COMM_SELF), of_one(name)
    for part in ("change of the weights", "m", "v"):
        assert np.array_equal(found.get(part, 0), expected.get(part, 0))
    assert_same(found, expected)


def test_the_trainings_cover_what_they_are_named_after(of_one):
    assert all(of_one(name).get("updates", 54) >= 50 for name in TRAININGS if name not in ("early stopping",))
    assert 0 < of_one("early stopping")["best epoch"] < len(of_one("early stopping")["history"]) < 9
    kl = of_one("free bits")["KL per dimension"]
    assert (kl > FREE_BITS).any()
    assert (kl < FREE_BITS).any()
    assert of_one("plateau")["updates"] == 54
