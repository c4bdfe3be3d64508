"""What a person asks, read: an operation in any spelling, a principal by ARN or name, the only scenario of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kmssim.access import actions_on, actions_on_keys, callers_of
from kmssim.errors import InputError
from kmssim.evaluator.caller import find_caller
from kmssim.evaluator.operations import OPERATIONS
from kmssim.evaluator.request import Principal, PrincipalKind, parse_principal, service_principal
from kmssim.evaluator.world import Key, World
from kmssim.scenario_file.places import near_names
from kmssim.strict_json import printable

_SERVICE_ENDS = (".amazonaws.com", ".amazonaws.com.cn")


def action_named(text: str, key: Key) -> str:
    """The action that `decrypt`, `Decrypt` or `kms:Decrypt` means, on this key.

    Raises:
        InputError: KMS has none of that name, it is asked of no key, or not of one of this kind.

    """
    found = operation_named(text)
    if found not in actions_on(key):
        raise InputError(f"`{found}` cannot be asked of this key", hint=f"{key.arn} is {key.spec}, {key.usage}")
    return found


def operation_named(text: str) -> str:
    """The action that a spelling means, on any key. Raises InputError as `action_named` does."""
    wanted = text.lower().removeprefix("kms:").replace("-", "").replace("_", "")
    known = {action.partition(":")[2].lower(): action for action in actions_on_keys()}
    found = known.get(wanted)
    if wanted == "reencrypt":
        raise InputError("there is no permission `kms:ReEncrypt`", hint="ask for ReEncryptFrom or ReEncryptTo")
    if found is None and wanted in {name.lower() for name in OPERATIONS}:
        raise InputError(printable(f"`{text}` is not asked of a key"), hint="only IAM has a say on it")
    if found is None:
        names = [action.partition(":")[2] for action in known.values()]
        hint = near_names(text.rpartition(":")[2], names)
        raise InputError(printable(f"KMS has no operation `{text}` on a key"), hint=hint)
    return found


def principal_named(text: str, world: World) -> Principal:
    """The caller that an ARN, a service's host name, or a name (`ana`, `role/app`, `111122223333:role/app`) means.

    Raises:
        InputError: the world declares none, or there are several.

    """
    known = callers_of(world)
    found = [caller for caller in known if text in _names(caller, world)]
    exact = [caller for caller in found if text == caller.arn] or _without_named_sessions(found)
    if len(exact) == 1:
        return exact[0]
    if exact:
        arns = ", ".join(caller.arn for caller in exact)
        raise InputError(printable(f"`{text}` names {len(exact)} principals"), hint=f"take an ARN: {arns}")
    if text.endswith(_SERVICE_ENDS) and not text.startswith("arn:"):
        return service_principal(text)
    stated = parse_principal(text)
    if stated is not None and _is_possible(stated, world):
        return stated
    names = [name for caller in known for name in _names(caller, world)]
    raise InputError(printable(f"nobody is named `{text}` here"), hint=near_names(text, names))


def _names(caller: Principal, world: World) -> Iterator[str]:
    """The ways to name a caller: its ARNs, and the end of its own with and without account and kind."""
    issuer = find_caller(world, caller).issuer_arn
    for arn in dict.fromkeys((caller.arn, issuer)):
        yield arn
        if arn.startswith("arn:"):
            yield arn.split(":", 4)[-1]
            yield arn.split(":", 5)[-1]
    if caller.kind in {PrincipalKind.USER, PrincipalKind.ROLE_SESSION}:
        yield caller.name


def _without_named_sessions(found: list[Principal]) -> list[Principal]:
    """By a role's name any session of it is meant, not one that a policy names."""
    roles = {(caller.account, caller.name) for caller in found if caller.kind is PrincipalKind.ROLE_SESSION}
    if len(found) > 1 and len(roles) == 1 and all(caller.kind is PrincipalKind.ROLE_SESSION for caller in found):
        return found[:1]
    return found


def _is_possible(principal: Principal, world: World) -> bool:
    """Whether somebody of that ARN can call: of a declared account the user or role must be declared, too."""
    account = world.accounts.get(principal.account)
    if account is None or principal.kind in {PrincipalKind.ROOT, PrincipalKind.FEDERATED_USER}:
        return True
    return principal.name in (account.users if principal.kind is PrincipalKind.USER else account.roles)


def only_scenario(folder: Path) -> str:
    """The scenario that a person means who names none: `scenario.json` here, or the only JSON file here.

    Raises:
        InputError: there is none, or more than one.

    """
    named = folder / "scenario.json"
    found = [named] if named.is_file() else sorted(folder.glob("*.json"))
    if len(found) == 1:
        return str(found[0])
    what = f"there are {len(found)} JSON files here" if found else "there is no scenario here"
    raise InputError(f"in which world? {what}", hint="name a scenario file or a lab with --in")
