"""The service of `make run`, for the clients of Prometheus' API."""

from collections.abc import Iterator

import pytest

from tests.e2e.harness.demo import Demo, running_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo")) as found:
        yield found
