"""Lend the key orders to a job for a night, and take it back. Run by the role `release`."""

import json

KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
RELEASE = "arn:aws:iam::111122223333:role/release"
SID = "LentForTheNight"


def lend(kms, job):
    """Let the role with the ARN `job` decrypt orders of purpose nightly-export. Returns what `take_back` needs."""
    policy = json.loads(kms.get_key_policy(KeyId=KEY)["Policy"])
    statement = {
        "Sid": SID,
        "Effect": "Allow",
        "Principal": {"AWS": job},
        "Action": "kms:Decrypt",
        "Resource": "*",
        "Condition": {"StringEquals": {"kms:EncryptionContext:purpose": "nightly-export"}},
    }
    policy["Statement"].append(statement)
    kms.put_key_policy(KeyId=KEY, Policy=json.dumps(policy))
    return SID


def take_back(kms, lent):
    """End what `lend` began; `lent` is what it returned."""
    policy = json.loads(kms.get_key_policy(KeyId=KEY)["Policy"])
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Sid"] != lent]
    kms.put_key_policy(KeyId=KEY, Policy=json.dumps(policy))
