"""What no answer of reach rests on: said by `--help` and in JSON. A path that is not told may exist."""

NOT_LOOKED_AT = (
    "addresses, VPC endpoints, dates and MFA: a call is a plain one (sts:AssumeRole has MFA where a role asks for it)",
    "longer paths of those who can already, be it with an encryption context or through a service only",
    "session policies that a caller would pass, and roles assumed with SAML or OpenID Connect",
    "a grant to somebody else whom one becomes afterwards (of PE-1, the grant to oneself is)",
    "a policy for somebody whom no policy tells apart from a caller that can have everything anyway (PE-7): no news",
    "users and roles that are made for the purpose (iam:CreateUser, iam:CreateRole): a search adds nobody",
    "boundaries and policy versions that are exchanged (iam:Put*PermissionsBoundary, iam:SetDefaultPolicyVersion)",
    "tags put on another role so that it may be assumed (of PE-10, those that policies ask of the caller are)",
    "functions, instances and pipelines that exist already and run as a role, and shared snapshots (PE-18)",
    "where an alias leads other people's data (PE-11), and outages (PE-2, PE-9, PE-11, PE-14, PE-19): access is asked",
    "keys of accounts that nothing names, beside kms:Encrypt on them (PE-13): nothing here knows their policies",
    "material brought to a key that has some already, to rotate to it or to let it expire (PE-15): it is not read back",
    "resources that a caller of iam:PassRole would have to name as a policy's pattern asks for",
)
