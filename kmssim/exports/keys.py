"""KMS keys: describe-key, get-key-policy, list-grants, list-aliases, list-resource-tags and list-keys.

GetKeyPolicy and ListResourceTags name no key. Theirs is the one that `--key` says, or whose id the file's name or one
of its folders holds, or the only one that a describe-key in the same folder is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.request import Arn, parse_arn, parse_principal, partition_of
from kmssim.exports.draft import Document, Draft, KeyDraft
from kmssim.exports.parts import Part
from kmssim.exports.sources import ACCOUNT, KEY_ID, REGION, Source, Told
from kmssim.scenario_file.policies import key_policy_in

_PLAIN = {
    "KeySpec": "spec",
    "KeyUsage": "usage",
    "Origin": "origin",
    "KeyManager": "manager",
    "KeyState": "state",
}
_RESERVED = "alias/aws/"
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?")


@dataclass
class KeyReader:
    """Reads what is about keys. Files that name their key come first: the others go by them."""

    draft: Draft
    told: Told

    def describe(self, source: Source) -> None:
        """`describe-key`."""
        about = source.part["KeyMetadata"]
        key = self.draft.key(about["Arn"].arn(), about.spot)
        stated = {ours: about.optional_text(theirs) for theirs, ours in _PLAIN.items()}
        stated["spec"] = stated["spec"] or about.optional_text("CustomerMasterKeySpec")
        document = {name: value for name, value in stated.items() if value}
        if about.mapping().get("MultiRegion"):
            kind = about["MultiRegionConfiguration"]["MultiRegionKeyType"].text()
            document["multi_region"] = kind
        if key.described and key.about != document:
            self.draft.notes.add(source.spot, f"differs from what {key.spot.file} says of the key, which counts")
            return
        key.about, key.described, key.spot = {**document}, True, about.spot

    def list_keys(self, source: Source) -> None:
        """`list-keys`: that there is such a key."""
        self._each(source.part.listed("Keys"), lambda entry: self.draft.key(entry["KeyArn"].arn(), entry.spot))

    def grants(self, source: Source) -> None:
        """`list-grants`."""
        self._each(source.part.listed("Grants"), lambda entry: self._grant(entry, source))

    def _grant(self, entry: Part, source: Source) -> None:
        key = self._stated_key(entry["KeyId"], source)
        grant_id = entry["GrantId"].text()
        operations = [operation.text() for operation in entry["Operations"].items()]
        grant: Document = {"GrantId": grant_id, "Operations": operations}
        for member in ("Name", "GranteePrincipal", "GranteeServicePrincipal", "RetiringServicePrincipal"):
            grant |= _stated(entry, member)
        grant |= self._retiring(entry)
        grant |= {"Constraints": _constraints(entry)} if _constraints(entry) else {}
        issuer = entry.optional_text("IssuingAccount")
        if issuer is not None:
            parsed = parse_arn(issuer)
            grant["IssuingAccount"] = parsed.account if parsed else issuer
        _check_grantee(entry)
        retired_by = grant.get("RetiringPrincipal") or grant.get("RetiringServicePrincipal")
        if "GranteeServicePrincipal" in grant and not (retired_by and "SourceArn" in _constraints(entry)):
            grant["GranteePrincipal"] = grant.pop("GranteeServicePrincipal")  # of AWS's own making: bound by no source
        before = len(key.grants)
        if key.grants.setdefault(grant_id, grant) != grant:
            what = f"the grant `{grant_id}` stands twice, with different words: the first counts"
            self.draft.notes.add(entry.spot, what)
        elif len(key.grants) > before:
            key.spots[("grants", before)] = entry.spot

    def _retiring(self, entry: Part) -> Document:
        """AWS shows a service that retires its own grants as RetiringPrincipal; one that is gone retires nothing."""
        retiring = entry.optional_text("RetiringPrincipal")
        if retiring is None or parse_principal(retiring) is not None:
            return {} if retiring is None else {"RetiringPrincipal": retiring}
        if _SERVICE.fullmatch(retiring):
            return {"RetiringServicePrincipal": retiring}
        spot = entry["RetiringPrincipal"].spot
        self.draft.notes.add(spot, f"the grant stays, without whom may retire it: `{retiring}` is nobody who can call")
        return {}

    def aliases(self, source: Source) -> None:
        """`list-aliases`. An alias of AWS's own without a key stands for one that is not made yet."""
        self._each(source.part.listed("Aliases"), self._alias)

    def _alias(self, entry: Part) -> None:
        target = entry.optional_text("TargetKeyId")
        name, arn = entry["AliasName"].text(), entry["AliasArn"].arn()
        if target is None and name.startswith(_RESERVED):
            return
        if target is None:
            raise entry.spot.refusal(f"the alias `{name}` names no key")
        key = self.draft.keys.get(str(arn._replace(resource=f"key/{target}")))
        if key is None:
            raise entry.spot.refusal(f"the alias `{name}` is left out: no file tells of its key {target}")
        if name not in key.aliases:
            key.spots[("aliases", len(key.aliases))] = entry.spot
            key.aliases.append(name)
        if name.startswith(_RESERVED):
            key.about["manager"] = "AWS"

    def policy(self, source: Source) -> None:
        """`get-key-policy`, or the policy document by itself."""
        stated = source.part if "Statement" in source.part.mapping() else source.part["Policy"]
        key = self._key_of(source)
        policy = stated.policy(PolicyKind.KEY_POLICY)
        if key.policy is not None and key.policy != policy:
            raise source.spot.refusal(f"another file states another policy of the key {key.arn}, which counts")
        key.policy = policy
        key.spots[("policy",)] = stated.spot

    def tags(self, source: Source) -> None:
        """`list-resource-tags`."""
        key = self._key_of(source)
        key.tags |= source.part["Tags"].tags("TagKey", "TagValue")
        key.spots[("tags",)] = source.spot

    def _each(self, entries: Iterable[Part], read: Callable[[Part], object]) -> None:
        for entry in entries:
            with self.draft.notes.noted():
                read(entry)

    def _key_of(self, source: Source) -> KeyDraft:
        """The key of a file that does not name it."""
        if source.key is not None:
            return self._told_key(source.key, source)
        named = source.named(KEY_ID)
        if named is not None:
            return self.draft.key(self._arn_of(named, source), source.spot)
        beside = PurePath(source.spot.file).parent
        near = [key for key in self.draft.keys.values() if key.described and PurePath(key.spot.file).parent == beside]
        if len(near) == 1:
            return near[0]
        hint = "give the file or its folder the key's id as name, or say --key ID=FILE"
        raise source.spot.refusal("nobody says of which key this is", hint)

    def _told_key(self, told: str, source: Source) -> KeyDraft:
        arn = parse_arn(told)
        if arn is not None and arn.resource.startswith("key/"):
            return self.draft.key(arn, source.spot)
        if KEY_ID.fullmatch(told):
            return self.draft.key(self._arn_of(told, source), source.spot)
        named = [key for key in self.draft.keys.values() if told in key.aliases or _alias_arn(key, told)]
        if len(named) != 1:
            what = f"--key names `{told}`, which is no key id, and the alias of {len(named)} of the keys"
            raise source.spot.refusal(what, "name the key by its ARN")
        return named[0]

    def _stated_key(self, stated: Part, source: Source) -> KeyDraft:
        arn = parse_arn(stated.text()) or self._arn_of(stated.text(), source)
        return self.draft.key(arn, stated.spot)

    def _arn_of(self, key_id: str, source: Source) -> Arn:
        """The ARN of a bare key id: that of a key which another file tells of, else by folders and options.

        A multi-Region key has one id in several Regions; there the folder tells.
        """
        known = [key for key in self.draft.keys.values() if key.id == key_id]
        region = source.named(REGION)
        if len(known) > 1 and region is not None:
            known = [key for key in known if key.arn.region == region]
        if len(known) > 1:
            hint = "put it into a folder named after the Region, or name the key by its ARN"
            raise source.spot.refusal(f"{len(known)} keys have the id {key_id}", hint)
        if known:
            return known[0].arn
        account = source.named(ACCOUNT) or self.told.account
        if account is None:
            hint = "add the output of kms describe-key, or say --account"
            raise source.spot.refusal(f"nobody says whose key {key_id} is", hint)
        place = region or self.told.region
        return Arn(partition_of(place), "kms", place, account, f"key/{key_id}")


def _alias_arn(key: KeyDraft, alias: str) -> bool:
    return any(str(key.arn._replace(resource=name)) == alias for name in key.aliases)


def _stated(entry: Part, member: str) -> Document:
    value = entry.optional_text(member)
    return {} if value is None else {member: value}


def _constraints(entry: Part) -> Mapping[str, object]:
    stated = entry.get("Constraints")
    return stated.mapping() if stated else {}


def _check_grantee(entry: Part) -> None:
    """A principal that is gone stands as an id that no caller has, so the grant helps nobody."""
    grantee = entry.optional_text("GranteePrincipal")
    if grantee is not None and parse_principal(grantee) is None and not _SERVICE.fullmatch(grantee):
        raise entry["GranteePrincipal"].spot.refusal(f"the grant is left out: `{grantee}` is nobody who can call")


def is_key_policy(content: Mapping[str, object]) -> bool:
    """Whether this may be a key policy: the answer of GetKeyPolicy, or a policy document."""
    found = key_policy_in(content)
    return isinstance(found, str) or (found is not None and content.keys() <= {"Version", "Id", "Statement"})
