"""What no answer of reach rests on: said by `--help` and in JSON. A path that is not told may exist."""

NOT_LOOKED_AT = (
    "addresses, VPC endpoints, dates and MFA: a call is a plain one (sts:AssumeRole has MFA where a role asks for it)",
    "longer paths of those who can already, be it with an encryption context or through a service only",
    "session policies that a caller would pass, and roles assumed with SAML or OpenID Connect",
    "a grant to somebody else whom one becomes afterwards",
    "a policy written for another role that one then assumes (of PE-7, the caller's own policies are)",
    "functions, instances and pipelines that exist already and run as a role, and shared snapshots (PE-18)",
    "where an alias leads other people's data (PE-11), and outages (PE-14, PE-19: named by operation only)",
    "resources that a caller of iam:PassRole would have to name as a policy's pattern asks for",
)
