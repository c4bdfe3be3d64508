"""What `kmssim serve` offers beside AWS's services: its world, to be read as a scenario or replaced by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kmssim.errors import InputError, KmssimError
from kmssim.evaluator.request import Principal
from kmssim.evaluator.world import World
from kmssim.sandbox.sandbox import Sandbox
from kmssim.scenario import parse_scenario
from kmssim.scenario_file.document import write_scenario

Welcome = Callable[[World, tuple[Principal, ...]], dict[str, object]]
"""Makes the profiles of a new world known, and gives them as JSON."""


@dataclass(frozen=True)
class WorldControl:
    """Answers to GET and PUT; the status of HTTP, and JSON."""

    sandbox: Sandbox
    welcome: Welcome

    def __call__(self, method: str, body: bytes) -> tuple[int, dict[str, object]]:
        """Answer one request. What is refused changes nothing."""
        try:
            if method == "GET":
                return 200, write_scenario(self.sandbox.world, title="the world of a running kmssim serve")
            if method == "PUT":
                return 200, self._replace(body)
        except KmssimError as error:
            return 400, {"message": str(error)}
        return 405, {"message": "GET shows the world as a scenario, PUT replaces it by another scenario"}

    def _replace(self, body: bytes) -> dict[str, object]:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise InputError("the scenario is not UTF-8 text") from None
        scenario = parse_scenario(text)
        self.sandbox.replace_world(scenario.world)
        return {"seeded": counted(scenario.world), **self.welcome(scenario.world, scenario.callers)}


def counted(world: World) -> dict[str, int]:
    """How much of each there is."""
    accounts = world.accounts.values()
    return {
        "accounts": len(world.accounts),
        "principals": sum(len(account.users) + len(account.roles) for account in accounts),
        "keys": len(world.keys_by_arn),
        "grants": sum(len(key.grants) for key in world.keys_by_arn.values()),
    }
