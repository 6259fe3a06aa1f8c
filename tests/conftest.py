import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "house",
    deadline=None,
    max_examples=30,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("house")


@pytest.fixture
def real_data() -> Path:
    folder = os.environ.get("SCRATCHVAE_DATA")
    if not folder:
        pytest.skip("SCRATCHVAE_DATA is not set: no real data to read")
    return Path(folder)
