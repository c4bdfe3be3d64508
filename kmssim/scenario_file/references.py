"""What a request refers to by a short name: keys by id, alias or label, and grants by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kmssim.evaluator.request import parse_arn
from kmssim.evaluator.world import Grant, Key, World
from kmssim.scenario_file.places import Place

KEY_PARAMETERS = ("KeyId", "TargetKeyId", "SourceKeyId", "DestinationKeyId")
"""The parameters that name a key, in the order in which they decide where a call is sent."""

_FOREIGN_TOKEN = re.compile(r"[A-Za-z0-9+/=_-]{64,}")


@dataclass(frozen=True)
class References:
    """Look-ups for a request of `home`, the account in which bare ids and aliases are looked up (XA-5)."""

    world: World
    home: str

    def region(self, operation: str, parameters: Mapping[str, object], ciphertext_key: str | None) -> str:
        """The Region of what the call names: a key, a ciphertext's key, a bucket or a secret; else the scenario's."""
        named = [parameters.get(name) for name in KEY_PARAMETERS]
        named += [ciphertext_key, None if operation == "kms:CreateAlias" else parameters.get("AliasName")]
        for reference in named:
            region = self._region_of_key(reference) if isinstance(reference, str) else None
            if region:
                return region
        return self._region_of_resource(operation, parameters) or self.world.region

    def _region_of_key(self, reference: str) -> str | None:
        arn = parse_arn(reference)
        if arn is not None:
            return arn.region if arn.service == "kms" else None
        regions = {key.region for key in self._called(reference) if key.account == self.home}
        return regions.pop() if len(regions) == 1 else None

    def _region_of_resource(self, operation: str, parameters: Mapping[str, object]) -> str | None:
        if operation.startswith("s3:"):
            bucket = self.world.buckets.get(str(parameters.get("Bucket")))
            return bucket.region if bucket else None
        if operation.startswith("secretsmanager:"):
            named = str(parameters.get("SecretId"))
            arn = parse_arn(named)
            account = self.world.accounts.get(self.home)
            secret = account.secrets.get(named) if account else None
            return arn.region if arn else secret.region if secret else None
        return None

    def _called(self, reference: str) -> Iterator[Key]:
        for key in self.world.keys_by_arn.values():
            if reference in {key.id, key.label, *key.aliases}:
                yield key

    def key_arn(self, reference: str, region: str, place: Place) -> str:
        """The ARN of the key that a ciphertext was made with; an ARN stays, be there such a key or not.

        Raises:
            InputError: a name for no key, or for several.

        """
        if reference.startswith("arn:"):
            by_alias = self.world.keys_by_alias_arn.get(reference)
            return by_alias.arn if by_alias else reference
        called = list(self._called(reference))
        at_home = [key for key in called if key.account == self.home]
        for keys in ([key for key in at_home if key.region == region], at_home, called):
            if len(keys) == 1:
                return keys[0].arn
        if called:
            hint = f"write one of {', '.join(key.arn for key in called[:3])}"
            raise place.refusal(f"{len(called)} keys are called `{reference}`", hint)
        known = (name for key in self.world.keys_by_arn.values() for name in (*key.aliases, key.label, key.id))
        raise place.unknown(f"no key is called `{reference}`", reference, known)

    def grant_id(self, name: str, references: Iterable[str], place: Place) -> str:
        """The id of the grant of that name; `references` are the keys that the call names, for names on several keys.

        A text that looks like a real token, or is a grant's id, stays: AWS refuses unknown tokens itself.

        Raises:
            InputError: a name for no grant, or for several.

        """
        grants = list(self._grants())
        found = [(key, grant) for key, grant in grants if name in {grant.name, grant.id}]
        wanted = {arn for reference in references for arn in self._arns(reference)}
        nearer = [grant for key, grant in found if key.arn in wanted] or [grant for _, grant in found]
        if len(nearer) == 1:
            return nearer[0].id
        if nearer:
            raise place.refusal(f"{len(nearer)} grants are named `{name}`", "give each of them a name of its own")
        if _FOREIGN_TOKEN.fullmatch(name):
            return name
        raise place.unknown(f"no grant is named `{name}`", name, (grant.name for _, grant in grants if grant.name))

    def _grants(self) -> Iterator[tuple[Key, Grant]]:
        for key in self.world.keys_by_arn.values():
            yield from ((key, grant) for grant in key.grants)

    def _arns(self, reference: str) -> Iterator[str]:
        if reference.startswith("arn:"):
            by_alias = self.world.keys_by_alias_arn.get(reference)
            yield by_alias.arn if by_alias else reference
        else:
            yield from (key.arn for key in self._called(reference) if key.account == self.home)
