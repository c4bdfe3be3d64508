"""Sets one statement in the policy of a key.

`statement` is a policy statement with a Sid. `administrators(policy)` predicts, without a call to AWS: it takes a policy
document, as a dict, and gives the set of ARNs of the roles that exist and could still replace the policy under it.
"""

import json

PIPELINE = "arn:aws:iam::111122223333:role/pipeline"


class LockedOutError(Exception):
    """Under the changed policy nobody but the pipeline itself could replace it."""


def set_policy(kms, key_id, statement, administrators):
    """Set the statement of that Sid and keep all others. Raises LockedOutError before anything is changed."""
    policy = json.loads(kms.get_key_policy(KeyId=key_id)["Policy"])
    changed = {**policy, "Statement": merged(policy["Statement"], statement)}
    if changed == policy:
        return
    if not administrators(changed):
        raise LockedOutError(f"nobody could replace the policy of {key_id}")
    kms.put_key_policy(KeyId=key_id, Policy=json.dumps(changed))


def merged(statements, statement):
    """The statements with this one in place of the one of its Sid, or behind them."""
    listed = statements if isinstance(statements, list) else [statements]
    sids = [one.get("Sid") for one in listed]
    if statement["Sid"] not in sids:
        return [*listed, statement]
    return [statement if sid == statement["Sid"] else one for sid, one in zip(sids, listed, strict=True)]
