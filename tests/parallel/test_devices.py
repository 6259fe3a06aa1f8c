"""One GPU for each process, and sums over GPUs, with stand-ins for CuPy and NCCL."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from parallel.mpi import needs_mpi4py

from scratchvae.backend import NUMPY, fake_cupy, get_backend
from scratchvae.backend.nccl import NCCLSum, find_nccl
from scratchvae.errors import ConfigError, ProcessError
from scratchvae.parallel import devices

FAKE = get_backend("fake-cupy")


class Answers:
    """Messages of process `rank`, to which the others answer as given."""

    def __init__(self, rank, *answers):
        self.rank, self.answers, self.timeout = rank, list(answers), 0.05

    def gather(self, value):
        answer = self.answers.pop(0)
        assert answer[self.rank] == value
        return answer

    def stalled(self):
        return "stalled"


@pytest.fixture(autouse=True)
def device_0():
    yield
    fake_cupy.use_device(0)


def test_each_process_of_a_machine_gets_its_own_device():
    machines = ["a", "b", "a", "a"]
    for rank, device in enumerate([0, 0, 1, 2]):
        devices.use_device(Answers(rank, machines, [4, 4, 4, 4]), FAKE, machines[rank])
        assert fake_cupy.current_device == device


def test_more_processes_than_devices_are_refused():
    machines = ["a", "b", "a"]
    with pytest.raises(ConfigError, match="2 processes are on a, which has 1 GPU: start one process for each GPU"):
        devices.use_device(Answers(1, machines, [1, 4, 1]), SimpleNamespace(devices=FAKE.devices), "b")


def test_a_host_has_no_devices():
    devices.use_device(Answers(0, ["a", "a"]), NUMPY, "a")
    devices.require_own_devices(Answers(0, [None, None]), NUMPY, "a")


def test_two_processes_on_one_device_are_refused():
    same, other = ("a", "fake device 0"), ("b", "fake device 0")
    devices.require_own_devices(Answers(0, [same, other]), FAKE, "a")
    with pytest.raises(ConfigError, match="processes 0 and 2 use the same GPU, fake device 0 of a: start one process"):
        devices.require_own_devices(Answers(1, [same, other, same]), FAKE, "b")


@needs_mpi4py
def test_a_sum_over_devices_without_nccl_goes_through_the_host():
    from mpi4py import MPI

    from scratchvae.parallel import ProcessGroup

    array = FAKE.xp.asarray(np.arange(4.0))
    ProcessGroup(MPI.COMM_SELF).sum(array)
    assert array.get().tolist() == [0.0, 1.0, 2.0, 3.0]


# --- NCCL, whose calls are recorded by a stand-in


class CuPyArray:
    """The attributes of an array of CuPy that the sum reads."""

    size, dtype = 5, np.dtype("float32")
    data = SimpleNamespace(ptr=1234)


CuPyArray.__module__ = "cupy"


@pytest.fixture
def nccl(monkeypatch):
    calls = []
    module = SimpleNamespace(
        available=True,
        NCCL_FLOAT32=7,
        NCCL_FLOAT64=8,
        NCCL_SUM=0,
        get_unique_id=lambda: "id",
        NcclCommunicator=lambda *arguments: SimpleNamespace(
            arguments=arguments, allReduce=lambda *call: calls.append((arguments, call))
        ),
        calls=calls,
    )
    stream = SimpleNamespace(ptr=99)
    event = SimpleNamespace(record=lambda stream: calls.append("recorded"), done=True)
    cuda = SimpleNamespace(nccl=module, get_current_stream=lambda: stream, Event=lambda disable_timing: event)
    module.event = event
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda))
    monkeypatch.setitem(sys.modules, "cupy.cuda", cuda)
    return module


def test_nccl_is_found_for_arrays_of_cupy_alone(nccl):
    assert find_nccl(CuPyArray()) is nccl
    assert find_nccl(np.ones(3)) is None
    nccl.available = False
    assert find_nccl(CuPyArray()) is None


def test_nccl_sums_in_place(nccl):
    NCCLSum(nccl, 4, "id", 2)(CuPyArray())
    assert nccl.calls == [((4, "id", 2), (1234, 1234, 5, 7, 0, 99)), "recorded"]


def test_a_sum_by_nccl_that_never_ends_times_out(nccl):
    messages = Answers(0)
    messages.size, messages.lowest, messages.broadcast = 2, lambda number: number, lambda value, root: value
    add = devices.make_device_sum(messages, CuPyArray())
    add(CuPyArray())
    nccl.event.done = False
    with pytest.raises(ProcessError, match="stalled"):
        add(CuPyArray())
