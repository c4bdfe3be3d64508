"""Four incidents on one day: what brings each key back."""


def bring_back(kms, key_id):
    """Leave the key enabled, whatever it is: disabled, waiting for its deletion, or enabled already."""
    kms.enable_key(KeyId=key_id)


def trust_again(kms, key_id, old_id, role_arn):
    """Let the new role in wherever the policy shows old_id, the id of the deleted role.

    Ids of other deleted roles begin with AROA, too. Nobody gets what they had.
    """
    policy = kms.get_key_policy(KeyId=key_id)["Policy"]
    kms.put_key_policy(KeyId=key_id, Policy=policy)


def open_replica(kms_here, kms_there, key_id, sid):
    """Copy the statement of that Sid from the policy of the primary key to that of the replica, which keeps its own.

    kms_here and kms_there are clients in the two Regions; key_id is the id of both keys.
    """
    policy = kms_here.get_key_policy(KeyId=key_id)["Policy"]
    kms_there.put_key_policy(KeyId=key_id, Policy=policy)
