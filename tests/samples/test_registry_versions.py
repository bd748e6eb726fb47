"""Which version is the latest."""

import random
from datetime import timedelta

import pytest

from examples.mcp.registry.versions import precedence
from tests.samples import doubles

BEGAN = doubles.BEGAN
# The example of Semantic Versioning 2.0.0, item 11, and more numbers.
ASCENDING = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0",
    "10.0.0",
]


def test_semantic_versions_have_the_order_of_their_specification():
    shuffled = random.Random(1).sample(ASCENDING, k=len(ASCENDING))
    assert sorted(shuffled, key=lambda one: precedence(one, published_at=BEGAN)) == ASCENDING


@pytest.mark.parametrize("other", ["2026-11-25", "v9.9.9", "9.9", "01.0.0", "1.0.0-01"])
def test_a_version_that_is_not_semantic_is_below_all_that_are(other):
    later = BEGAN + timedelta(days=1)
    assert precedence(other, published_at=later) < precedence("0.0.1-alpha", published_at=BEGAN)


def test_versions_that_are_not_semantic_follow_their_publication():
    assert precedence("b", published_at=BEGAN) < precedence("a", published_at=BEGAN + timedelta(seconds=1))


def test_build_metadata_does_not_decide():
    later = BEGAN + timedelta(seconds=1)
    assert precedence("1.0.0+z", published_at=BEGAN) < precedence("1.0.0+a", published_at=later)
