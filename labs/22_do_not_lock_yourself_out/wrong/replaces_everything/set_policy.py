"""Sets one statement in the policy of a key.

`statement` is a policy statement with a Sid. `administrators(policy)` predicts, without a call to AWS: it takes a policy
document, as a dict, and gives the set of ARNs of the roles that exist and could still replace the policy under it.
"""

import json

PIPELINE = "arn:aws:iam::111122223333:role/pipeline"

KEEP = {
    "Sid": "PipelineUpdates",
    "Effect": "Allow",
    "Principal": {"AWS": PIPELINE},
    "Action": ["kms:GetKeyPolicy", "kms:PutKeyPolicy"],
    "Resource": "*",
}


class LockedOutError(Exception):
    """Under the changed policy nobody but the pipeline itself could replace it."""


def set_policy(kms, key_id, statement, administrators):
    """Set the statement of that Sid and keep all others. Raises LockedOutError before anything is changed."""
    policy = {"Version": "2012-10-17", "Statement": [statement, KEEP]}
    kms.put_key_policy(KeyId=key_id, Policy=json.dumps(policy))
