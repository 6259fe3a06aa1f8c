import os

# Before NumPy is imported: more threads do not speed up small matrices, and take the cores of other processes.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if os.environ.get("SCRATCHVAE_NULL_DEVICE"):  # before anything imports CuPy
    import null_device

    null_device.install(os.environ["SCRATCHVAE_NULL_DEVICE"])

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from scratchvae.backend import get_backend
from scratchvae.datasets import load
from scratchvae.errors import BackendError

settings.register_profile(
    "quick",
    deadline=None,
    max_examples=10,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=30)
# tests/mutation runs the tests some thousand times and needs only the first failure
settings.register_profile(
    "mutation", settings.get_profile("quick"), max_examples=5, derandomize=True, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def gpu():
    """The CuPy backend; without a GPU, skip the test, or fail it if SCRATCHVAE_REQUIRE_GPU is set."""
    try:
        return get_backend("cupy")
    except BackendError as error:
        if os.environ.get("SCRATCHVAE_REQUIRE_GPU"):
            pytest.fail(f"SCRATCHVAE_REQUIRE_GPU is set, but {error}")
        pytest.skip(str(error))


@pytest.fixture
def real_data() -> Path:
    folder = os.environ.get("SCRATCHVAE_DATA")
    if not folder:
        pytest.skip("SCRATCHVAE_DATA is not set: no real data to read")
    return Path(folder)


@pytest.fixture
def real_set(real_data):
    """A function that loads a data set from its folder of the real data, and skips the test if there is none."""

    def load_real(name):
        if not (real_data / name.partition("/")[0].removesuffix("-32")).is_dir():
            pytest.skip(f"{real_data} (SCRATCHVAE_DATA) holds no {name}")
        return load(name, folder=real_data)

    return load_real
