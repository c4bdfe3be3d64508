"""`read(seed(world)) == world` for worlds that Hypothesis makes."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from moto import mock_aws
from worlds import worlds

from kmssim.sandbox.read import read_world
from kmssim.sandbox.reader import Reader
from kmssim.sandbox.seed import seed

client = Reader().client


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds())
def test_what_was_seeded_reads_back_equal(world):
    with mock_aws():
        seeded = seed(world, client)
        again = read_world(client, seeded.memory, accounts=seeded.accounts, regions=seeded.regions)
    for name, account in world.accounts.items():  # the parts first: they are what a failure should show
        for part in ("users", "groups", "roles", "keys", "buckets", "secrets"):
            assert getattr(again.accounts[name], part) == getattr(account, part)
    assert again == world
