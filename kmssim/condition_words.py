"""Conditions in words: what a statement asks for, and what the call has."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kmssim.evaluator.decision import Mismatch

_ASKED = {
    "StringEquals": "to be {values}",
    "StringNotEquals": "not to be {values}",
    "StringEqualsIgnoreCase": "to be {values} in any case",
    "StringNotEqualsIgnoreCase": "not to be {values} in any case",
    "StringLike": "to be like {values}",
    "StringNotLike": "not to be like {values}",
    "ArnEquals": "to be {values}",
    "ArnNotEquals": "not to be {values}",
    "ArnLike": "to be like {values}",
    "ArnNotLike": "not to be like {values}",
    "Bool": "to be {values}",
    "BinaryEquals": "to be {values}",
    "IpAddress": "to be in {values}",
    "NotIpAddress": "not to be in {values}",
    "NumericEquals": "to be {values}",
    "NumericNotEquals": "not to be {values}",
    "NumericLessThan": "to be less than {values}",
    "NumericLessThanEquals": "to be at most {values}",
    "NumericGreaterThan": "to be greater than {values}",
    "NumericGreaterThanEquals": "to be at least {values}",
    "DateEquals": "to be {values}",
    "DateNotEquals": "not to be {values}",
    "DateLessThan": "to be before {values}",
    "DateLessThanEquals": "not to be after {values}",
    "DateGreaterThan": "to be after {values}",
    "DateGreaterThanEquals": "not to be before {values}",
}
"""Each condition operator as the verb of `asks for KEY to be VALUE`."""

_QUALIFIED = {"ForAllValues": "every value of ", "ForAnyValue": "a value of "}
_MOST_VALUES = 3


def asked_and_found(mismatch: Mismatch) -> tuple[str, str]:
    """What an unmet condition asks for, and what the call has: `kms:CallerAccount to be 1`, `it is absent`."""
    operator, _, rest = mismatch.wanted.partition(" ")
    key, _, values = rest.partition(": ")
    return _asked(operator, key, values), _found(key, mismatch.found)


def _asked(operator: str, key: str, values: str) -> str:
    qualifier, _, bare = operator.rpartition(":")
    if bare == "Null":
        return f"{key} to be {'absent' if values.lower() == 'true' else 'there'}"
    plain = bare.removesuffix("IfExists")
    verb = _ASKED.get(plain, f"to fit {plain} {{values}}").format(values=_listed_values(values))
    where = "" if plain == bare else ", where it is there,"
    return f"{_QUALIFIED.get(qualifier, '')}{key} {verb}{where}"


def _listed_values(values: str) -> str:
    # a variable's default has a comma of its own
    parts = [_quoted(value) for value in (values.split(", ") if "${" not in values else [values])]
    if len(parts) > _MOST_VALUES:
        return f"one of {len(parts)} values ({', '.join(parts[:_MOST_VALUES])}, ...)"
    return " or ".join(parts)


def _found(key: str, found: str) -> str:
    """`KEY is absent`, `KEY = VALUE`, or why the key has no clear value."""
    if found == f"{key} is absent":
        return "it is absent"
    value = found.removeprefix(f"{key} = ")
    if value == found:
        return found
    return f"it is {value[1:-1] or 'empty' if value[:1] + value[-1:] == '[]' else _quoted(value)}"


def _quoted(value: str) -> str:
    """A value that reads as a word of the sentence, or that has none, in quotes."""
    return f'"{value}"' if value in _WORDS or (" " in value and "${" not in value) else value


_WORDS = {"", "it", "absent", "there", "empty", "or", "and"}


def held(keys: tuple[str, ...], context: Mapping[str, str | tuple[str, ...]]) -> list[str]:
    """What the call has of the condition keys of a statement that applies: `aws:SourceIp is 10.0.0.1`, each once."""
    return [f"{spelled(key)} is {_value(context.get(key))}" for key in dict.fromkeys(keys)]


def _value(value: str | tuple[str, ...] | None) -> str:
    if value is None:
        return "absent"
    return _quoted(value) if isinstance(value, str) else ", ".join(value) or "empty"


def spelled(key: str) -> str:
    """A condition key as AWS spells it; the part after a slash or a second colon stays as it is."""
    found = re.match(r"((?:aws|kms):\w+)(.*)", key, re.DOTALL)
    return _SPELLINGS.get(found.group(1), found.group(1)) + found.group(2) if found else key


_KEYS = (
    "aws:AssumedRoot aws:CalledVia aws:CalledViaFirst aws:CalledViaLast aws:CurrentTime "
    "aws:Ec2InstanceSourcePrivateIPv4 aws:Ec2InstanceSourceVpc aws:EpochTime aws:FederatedProvider "
    "aws:MultiFactorAuthAge aws:MultiFactorAuthPresent aws:PrincipalAccount aws:PrincipalArn "
    "aws:PrincipalIsAWSService aws:PrincipalOrgID aws:PrincipalOrgPaths aws:PrincipalServiceName "
    "aws:PrincipalServiceNamesList aws:PrincipalTag aws:PrincipalType aws:Referer aws:RequestTag "
    "aws:RequestedRegion aws:ResourceAccount aws:ResourceOrgID aws:ResourceOrgPaths aws:ResourceTag "
    "aws:SecureTransport aws:SourceAccount aws:SourceArn aws:SourceIdentity aws:SourceIp aws:SourceOrgID "
    "aws:SourceOrgPaths aws:SourceVpc aws:SourceVpcArn aws:SourceVpce aws:TagKeys aws:TokenIssueTime "
    "aws:UserAgent aws:ViaAWSService aws:VpcSourceIp aws:VpceAccount aws:VpceOrgID aws:VpceOrgPaths "
    "kms:BypassPolicyLockoutSafetyCheck kms:CallerAccount kms:CustomerMasterKeySpec "
    "kms:CustomerMasterKeyUsage kms:DataKeyPairSpec kms:EncryptionAlgorithm kms:EncryptionContext "
    "kms:EncryptionContextKey kms:EncryptionContextKeys kms:ExpirationModel kms:GrantConstraintSourceArn "
    "kms:GrantConstraintType kms:GrantIsForAWSResource kms:GrantOperations kms:GranteePrincipal "
    "kms:GranteeServicePrincipal kms:KeyAgreementAlgorithm kms:KeyOrigin kms:KeySpec kms:KeyUsage "
    "kms:MacAlgorithm kms:MessageType kms:MultiRegion kms:MultiRegionKeyType kms:PolicyName kms:PrimaryRegion "
    "kms:ReEncryptOnSameKey kms:RecipientAttestation kms:ReplicaRegion kms:RequestAlias kms:ResourceAliases "
    "kms:RetiringPrincipal kms:RetiringServicePrincipal kms:RotationPeriodInDays "
    "kms:ScheduleKeyDeletionPendingWindowInDays kms:SigningAlgorithm kms:TrailingDaysWithoutKeyUsage "
    "kms:ValidTo kms:ViaService kms:WrappingAlgorithm kms:WrappingKeySpec "
)
_SPELLINGS: Mapping[str, str] = {name.lower(): name for name in _KEYS.split()}
