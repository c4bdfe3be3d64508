"""Four incidents on one day: what brings each key back."""

import json


def bring_back(kms, key_id):
    """Leave the key enabled, whatever it is: disabled, waiting for its deletion, or enabled already."""
    state = kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]
    if state == "PendingDeletion":
        kms.cancel_key_deletion(KeyId=key_id)
    if state != "Enabled":
        kms.enable_key(KeyId=key_id)


def trust_again(kms, key_id, old_id, role_arn):
    """Let the new role in wherever the policy shows old_id, the id of the deleted role.

    Ids of other deleted roles begin with AROA, too. Nobody gets what they had.
    """
    policy = json.loads(kms.get_key_policy(KeyId=key_id)["Policy"])
    revived = [with_living_principals(one, old_id, role_arn) for one in policy["Statement"]]
    policy["Statement"] = [one for one in revived if one["Principal"]["AWS"]]
    kms.put_key_policy(KeyId=key_id, Policy=json.dumps(policy))


def with_living_principals(statement, old_id, role_arn):
    """The statement with the role in place of its old id, and without the ids of other deleted roles."""
    named = statement["Principal"]["AWS"]
    named = [named] if isinstance(named, str) else named
    known = [role_arn if one == old_id else one for one in named]
    return {**statement, "Principal": {"AWS": [one for one in known if not one.startswith("AROA")]}}


def open_replica(kms_here, kms_there, key_id, sid):
    """Copy the statement of that Sid from the policy of the primary key to that of the replica, which keeps its own.

    kms_here and kms_there are clients in the two Regions; key_id is the id of both keys.
    """
    primary = json.loads(kms_here.get_key_policy(KeyId=key_id)["Policy"])
    replica = json.loads(kms_there.get_key_policy(KeyId=key_id)["Policy"])
    copied = [one for one in primary["Statement"] if one.get("Sid") == sid]
    own = [one for one in replica["Statement"] if one.get("Sid") != sid]
    kms_there.put_key_policy(KeyId=key_id, Policy=json.dumps({**replica, "Statement": own + copied}))
