import pytest


@pytest.fixture
def whole(pytestconfig: pytest.Config) -> bool:
    """Whether the run is wanted at its full length."""
    return bool(pytestconfig.getoption("--whole"))
