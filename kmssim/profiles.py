"""The callers of a world as AWS profiles: what a person pastes into a config file to call as one of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kmssim.errors import InputError, SetupError
from kmssim.evaluator.request import Principal, PrincipalKind, parse_principal
from kmssim.evaluator.world import World
from kmssim.sandbox.identity import Credentials

HEADER = "# Written by `kmssim serve`: simulated credentials, good for one run of it and nowhere else."
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.@-]+")


@dataclass(frozen=True)
class Profile:
    """A caller under the name of its profile; `credentials` None: it cannot sign in, and `problem` says why."""

    name: str
    principal: Principal
    credentials: Credentials | None
    problem: str = ""


def profiles_of(
    world: World, callers: Iterable[Principal], sign_in: Callable[[Principal], Credentials]
) -> list[Profile]:
    """A profile for each declared user and role, each session that calls in the scenario, and each root user."""
    found: dict[str, Profile] = {}
    for principal in dict.fromkeys(_Known(each) for each in (*_declared(world), *callers, *_roots(world))):
        name = _free(_name(principal.principal, world), found)
        found[name] = _signed_in(name, principal.principal, sign_in)
    return list(found.values())


class _Known:
    """A principal as a key: its session holds mappings, which have no hash, so its words stand for it."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self._words = repr(principal)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and self._words == other._words

    def __hash__(self) -> int:
        return hash(self._words)


def _declared(world: World) -> Iterator[Principal]:
    for account in world.accounts.values():
        arns = [user.arn for user in account.users.values()] + [role.arn for role in account.roles.values()]
        for arn in arns:
            principal = parse_principal(arn)
            if principal is not None:
                yield principal


def _roots(world: World) -> Iterator[Principal]:
    for account in world.accounts.values():
        partition = next((key.partition for key in account.keys), "aws")
        principal = parse_principal(f"arn:{partition}:iam::{account.id}:root")
        if principal is not None:
            yield principal


def _name(principal: Principal, world: World) -> str:
    """`kmssim-ROLE`; the account before it if there are several, the session's name after it if it has one."""
    parts = [principal.account] if len(world.accounts) > 1 and principal.account else []
    parts.append(principal.name or "root")
    if principal.kind is PrincipalKind.ROLE_SESSION and principal.session_name != "session":
        parts.append(principal.session_name)
    return _NOT_IN_A_NAME.sub("_", "-".join(["kmssim", *parts]))


def _free(name: str, taken: Iterable[str]) -> str:
    names = {name, *(f"{name}-{number}" for number in range(2, len(list(taken)) + 3))} - set(taken)
    return min(names, key=lambda each: (len(each), each))


def _signed_in(name: str, principal: Principal, sign_in: Callable[[Principal], Credentials]) -> Profile:
    try:
        return Profile(name, principal, sign_in(principal))
    except InputError as error:
        return Profile(name, principal, None, str(error))


def profiles_text(profiles: Sequence[Profile], url: str, region: str) -> str:
    """The profiles as an AWS config file."""
    return "\n".join([HEADER + "\n", *(_profile_text(profile, url, region) for profile in profiles)])


def _profile_text(profile: Profile, url: str, region: str) -> str:
    credentials = profile.credentials
    if credentials is None:
        return f"# no profile for {profile.principal.arn}: {profile.problem}\n"
    lines = [
        f"# {profile.principal.arn}",
        f"[profile {profile.name}]",
        f"endpoint_url = {url}",
        f"region = {region}",
        f"aws_access_key_id = {credentials.access_key}",
        f"aws_secret_access_key = {credentials.secret}",
    ]
    if credentials.token is not None:
        lines.append(f"aws_session_token = {credentials.token}")
    return "\n".join(lines) + "\n"


def profiles_json(profiles: Sequence[Profile], url: str, region: str) -> dict[str, object]:
    """The same for programs."""
    return {
        "endpoint_url": url,
        "region": region,
        "profiles": [
            {
                "name": profile.name,
                "principal": profile.principal.arn,
                "aws_access_key_id": profile.credentials.access_key if profile.credentials else None,
                "aws_secret_access_key": profile.credentials.secret if profile.credentials else None,
                "aws_session_token": profile.credentials.token if profile.credentials else None,
                "problem": profile.problem or None,
            }
            for profile in profiles
        ],
    }


def write_profiles(file: Path, text: str) -> None:
    """Write a config file of our own, for the owner's eyes.

    Raises SetupError when something else is in that file, or it cannot be written.
    """
    try:
        if file.exists() and not file.read_text(encoding="utf-8").startswith(HEADER):
            raise SetupError(f"{file} holds something that kmssim did not write; name a file of its own")
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:  # noqa: PTH123 (the mode must be right from the start)
            out.write(text)
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"cannot write {file}: {error}") from error
