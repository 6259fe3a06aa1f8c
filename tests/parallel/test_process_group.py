"""The pieces of a group: parts of a batch, sums, agreement, timeouts and refusals, mostly in a single process."""

import copy
import importlib
import pickle
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parallel.mpi import needs_mpi4py

import scratchvae as sv
from scratchvae.errors import ConfigError, CopyError, DivergedError, ProcessError
from scratchvae.parallel import ProcessGroup, launched_processes, launched_rank, mpi_group, process_group, share_cores
from scratchvae.parallel.messages import Messages

X = np.random.default_rng(0).uniform(0, 1, (20, 9))
pytestmark = needs_mpi4py


@pytest.fixture
def comm():
    from mpi4py import MPI

    return MPI.COMM_SELF


@pytest.fixture
def group(comm):
    return ProcessGroup(comm)


def member(rank, size):
    """A process of a group, for what needs no message."""
    group = ProcessGroup.__new__(ProcessGroup)
    group.rank, group.size = rank, size
    return group


@given(rows=st.integers(1, 200), size=st.integers(1, 70))
def test_the_parts_of_a_batch_are_all_its_rows_once(rows, size):
    parts = [member(rank, size).part(rows) for rank in range(size)]
    own = [np.arange(rows)[part.rows] for part in parts if part.weight]
    assert np.array_equal(np.concatenate(own), np.arange(rows))
    assert max(map(len, own)) - min(len(own[rank]) if rank < len(own) else 0 for rank in range(size)) <= 1
    assert sum(part.weight for part in parts) == pytest.approx(1.0, abs=1e-12)
    assert all(len(np.arange(rows)[part.rows]) >= 1 for part in parts)  # each computes something


def test_mean_weighs_the_mean_of_the_rows_of_a_process(group):
    array = np.array([3.0, 4.0])
    group.mean(array, 0.25)
    assert array.tolist() == [0.75, 1.0]
    array = np.array([np.nan, np.inf])
    group.mean(array, 0.0)  # of a process without rows
    assert array.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_sum_keeps_the_dtype(group, dtype):
    array = np.arange(5).astype(dtype)
    group.sum(array)
    assert array.dtype == dtype
    assert array.tolist() == [0, 1, 2, 3, 4]


def test_values_pass_through_a_group(group):
    value = {"a": np.arange(3), "b": "text"}
    assert group.root_value(lambda: value) is value
    assert group.gather("x") == ["x"]
    assert group.first_value("") == ""
    assert group.first_value("reason") == "reason"


def test_an_exception_inside_together_is_raised_once(group):
    with pytest.raises(ZeroDivisionError), group.together(), group.together():
        _ = 1 / 0
    with pytest.raises(DivergedError, match="here"):
        group.root_value(lambda: (_ for _ in ()).throw(DivergedError("here", 3)))


def test_a_request_that_is_never_complete_times_out(comm):
    messages = Messages(comm, 0.05)
    never = SimpleNamespace(Test=lambda: False)
    begin = time.monotonic()
    with pytest.raises(ProcessError, match=r"process 0 of 1 has waited 0.05 s for the others: .*resume"):
        messages.wait(never)
    assert time.monotonic() - begin < 5
    assert messages.pending
    assert messages.wait(never, 0.05) is False


@pytest.mark.parametrize("comm", [3, "world", object(), np.ones(2), [], sv.VAE])
def test_comm_must_be_a_communicator(comm):
    with pytest.raises(ConfigError, match=r"comm=.*: expected a communicator of mpi4py, such as MPI.COMM_WORLD"):
        sv.Trainer(sv.VAE(9, 2, (8,)), comm=comm)


def test_comm_must_not_be_null_nor_between_groups():
    from mpi4py import MPI

    for comm in (MPI.COMM_NULL, MPI.Intercomm(MPI.COMM_NULL), MPI.COMM_WORLD.Get_group()):
        with pytest.raises(ConfigError, match="expected a communicator"):
            process_group(comm)


@pytest.mark.parametrize("timeout", [0, -1.0, "long", None, float("nan")])
def test_the_timeout_must_be_positive(comm, timeout):
    with pytest.raises(ConfigError, match="timeout"):
        ProcessGroup(comm, timeout=timeout)


def test_a_trainer_with_comm_can_be_copied_but_not_pickled(group):
    trainer = sv.Trainer(sv.VAE(9, 2, (8,)), batch_size=10, comm=group)
    copied = copy.deepcopy(trainer)
    assert copied.comm is trainer.comm is group
    trainer.fit(X, 2)
    copied.fit(X, 2)
    assert np.array_equal(copied.model.theta, trainer.model.theta)
    with pytest.raises(CopyError, match="cannot be pickled"):
        pickle.dumps(trainer)


def test_cuda_graphs_are_refused_with_comm(group, monkeypatch):
    trainer = sv.Trainer(sv.VAE(9, 2, (8,)), comm=group)
    trainer._cuda_graph = True  # as on a GPU
    with pytest.raises(ConfigError, match="cuda_graph=True cannot be used with comm"):
        trainer.fit(X, 1)


def test_the_import_of_the_package_does_not_load_mpi4py():
    code = (
        "import sys, numpy as np, scratchvae as sv; "
        "sv.Trainer(sv.VAE(9, 2, (8,))).fit(np.ones((5, 9)), 1); print('mpi4py' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["False"]


# --- programs that mpiexec has started


@pytest.mark.parametrize(
    ("environment", "size", "rank"),
    [
        ({}, 1, 0),
        ({"PMI_SIZE": "4", "PMI_RANK": "3"}, 4, 3),
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}, 2, 1),
        ({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "7"}, 8, 7),
        ({"PMI_SIZE": "1", "PMI_RANK": "0"}, 1, 0),
        ({"PMI_SIZE": "many"}, 1, 0),
    ],
)
def test_the_variables_of_mpiexec_tell_the_number_of_processes(environment, size, rank):
    assert (launched_processes(environment), launched_rank(environment)) == (size, rank)


def test_an_mpiexec_of_another_mpi_is_an_error(monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "3")
    with pytest.raises(ConfigError, match="mpiexec has started 3 processes, and mpi4py finds 1"):
        mpi_group()


def test_several_processes_need_mpi4py(monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "3")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ConfigError, match=r"pip install 'scratchvae\[mpi\]'"):
        mpi_group()


def test_cores_are_shared_only_if_the_user_has_not_set_the_threads(group, monkeypatch):
    threads = []
    blas = SimpleNamespace(get_num_threads=lambda: 8, set_num_threads=threads.append)
    monkeypatch.setattr("scratchvae.backend.openblas.find_openblas", lambda: blas)
    monkeypatch.setattr("scratchvae.parallel.launch.available_cores", lambda: 6)
    monkeypatch.setattr(group, "gather", lambda value: [value, value, value, ("another", value[1])])
    share_cores(group)
    assert threads == []  # OPENBLAS_NUM_THREADS is set for these tests
    for name in ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    share_cores(group)
    assert threads == [2]


def test_an_estimator_trains_in_the_group_it_is_given(group, monkeypatch):
    module, groups = importlib.import_module("scratchvae.estimators.estimator"), []

    class Spy(module.Trainer):
        def fit(self, *args, **settings):
            groups.append(self.comm)
            return super().fit(*args, **settings)

    monkeypatch.setattr(module, "Trainer", Spy)
    x = np.random.default_rng(0).random((30, 4))
    estimator = sv.VAEEmbedding(n_components=2, hidden_layer_sizes=(4,), max_iter=2)
    estimator.fit_transform(x, comm=group)
    sv.VAEOutlierDetector(n_components=2, hidden_layer_sizes=(4,), max_iter=2).fit_predict(x, comm=group)
    assert groups == [group, group] and estimator._trainer.comm is None
