"""The condition keys that there are, after the rule book's section 7: to tell a slip of the pen from a key.

Data. `kms:` keys: 7.1; `aws:` keys: 7.2, and those global keys of the IAM guide that KMS has no remark on. Keys of
other services are not judged.
"""

from __future__ import annotations

_KMS = (
    "kms:BypassPolicyLockoutSafetyCheck kms:CallerAccount kms:CustomerMasterKeySpec kms:CustomerMasterKeyUsage "
    "kms:DataKeyPairSpec kms:EncryptionAlgorithm kms:EncryptionContextKeys kms:ExpirationModel "
    "kms:GrantConstraintSourceArn kms:GrantConstraintType kms:GranteePrincipal kms:GranteeServicePrincipal "
    "kms:GrantIsForAWSResource kms:GrantOperations kms:KeyAgreementAlgorithm kms:KeyOrigin kms:KeySpec kms:KeyUsage "
    "kms:MacAlgorithm kms:MessageType kms:MultiRegion kms:MultiRegionKeyType kms:PolicyName kms:PrimaryRegion "
    "kms:ReEncryptOnSameKey kms:ReplicaRegion kms:RequestAlias kms:ResourceAliases kms:RetiringPrincipal "
    "kms:RetiringServicePrincipal kms:RotationPeriodInDays kms:ScheduleKeyDeletionPendingWindowInDays "
    "kms:SigningAlgorithm kms:TrailingDaysWithoutKeyUsage kms:ValidTo kms:ViaService kms:WrappingAlgorithm "
    "kms:WrappingKeySpec"
)
_AWS = (
    "aws:AssumedRoot aws:CalledVia aws:CalledViaFirst aws:CalledViaLast aws:ChatbotSourceArn aws:CurrentTime "
    "aws:Ec2InstanceSourcePrivateIPv4 aws:Ec2InstanceSourceVpc aws:EpochTime aws:FederatedProvider "
    "aws:MultiFactorAuthAge aws:MultiFactorAuthPresent aws:PrincipalAccount aws:PrincipalArn "
    "aws:PrincipalIsAWSService aws:PrincipalOrgID aws:PrincipalOrgPaths aws:PrincipalServiceName "
    "aws:PrincipalServiceNamesList aws:PrincipalType aws:Referer aws:RequestedRegion aws:ResourceAccount "
    "aws:ResourceOrgID aws:ResourceOrgPaths aws:SecureTransport aws:SourceAccount aws:SourceArn aws:SourceIdentity "
    "aws:SourceIp aws:SourceOrgID aws:SourceOrgPaths aws:SourceVpc aws:SourceVpcArn aws:SourceVpce aws:TagKeys "
    "aws:TokenIssueTime aws:UserAgent aws:userid aws:username aws:ViaAWSService aws:VpceAccount aws:VpceOrgID "
    "aws:VpceOrgPaths aws:VpcSourceIp"
)
_WITH_NAMES = "kms:EncryptionContext: kms:RecipientAttestation: aws:PrincipalTag/ aws:ResourceTag/ aws:RequestTag/"

KNOWN: dict[str, str] = {name.lower(): name for name in f"{_KMS} {_AWS}".split()}
"""Every key as AWS writes it, by its name in small letters (CO-12)."""

WITH_NAMES: tuple[str, ...] = tuple(_WITH_NAMES.split())
"""Keys that end with a name of one's own."""

MULTIVALUED = frozenset({
    "aws:calledvia", "aws:principalorgpaths", "aws:principalservicenameslist", "aws:resourceorgpaths",
    "aws:sourceorgpaths", "aws:tagkeys", "aws:vpceorgpaths", "kms:encryptioncontextkeys", "kms:grantoperations",
    "kms:resourcealiases",
})  # fmt: skip
"""Keys that hold a list: they need ForAnyValue or ForAllValues (CO-10)."""


def is_known(key: str) -> bool:
    """Whether there is such a key (in small letters); those of other services are not judged."""
    if not key.startswith(("aws:", "kms:")) and ":" in key:
        return True
    return key in KNOWN or any(key.startswith(start.lower()) and key != start.lower() for start in WITH_NAMES)
