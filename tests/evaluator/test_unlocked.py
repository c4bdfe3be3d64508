"""Properties that are found out once; and elements that read alike, which find out once for all policies."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass

import pytest

from kmssim.evaluator.policy import PolicyKind, parse_policy
from kmssim.evaluator.unlocked import cached_property

looked = []


@dataclass(frozen=True)
class Thing:
    size: int

    @cached_property
    def double(self):
        """Twice the size."""
        looked.append(self.size)
        return self.size * 2


def test_a_property_is_found_out_once_for_each_thing():
    looked.clear()
    one, other = Thing(2), Thing(3)
    assert [one.double, other.double, one.double] == [4, 6, 4]
    assert looked == [2, 3]
    assert one == Thing(2)


def test_it_is_documented_in_the_class():
    assert Thing.double.__doc__ == "Twice the size."


def test_where_the_standard_library_takes_no_lock_it_is_the_standard_librarys():
    assert (cached_property is functools.cached_property) is (sys.version_info >= (3, 12))


def document(sid, resource="arn:aws:kms:us-east-1:111122223333:key/*"):
    statement = {"Sid": sid, "Effect": "Allow", "Action": ["kms:Decrypt", "kms:Enc*"], "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_elements_that_read_alike_are_one():
    one, other = (parse_policy(document(sid), PolicyKind.IDENTITY).statements[0] for sid in ("A", "B"))
    assert one != other
    assert one.action is other.action
    assert one.resource is other.resource


@pytest.mark.parametrize("other", ["2008-10-17", "2012-10-17"])
def test_a_variable_is_one_in_the_later_version_alone(other):
    """PG-1: the texts are alike, and mean something else."""
    resource = "arn:aws:kms:us-east-1:111122223333:key/${aws:username}"
    newer = parse_policy(document("A", resource), PolicyKind.IDENTITY).statements[0]
    again = parse_policy(document("B", resource) | {"Version": other}, PolicyKind.IDENTITY).statements[0]
    assert (newer.resource == again.resource) is (other == "2012-10-17")


def test_not_action_is_no_action_of_the_same_texts():
    plain = document("A")
    negated = document("B")
    negated["Statement"][0]["NotAction"] = negated["Statement"][0].pop("Action")
    read = [parse_policy(each, PolicyKind.IDENTITY).statements[0] for each in (plain, negated)]
    assert [each.covers("kms:Decrypt") for each in read] == [True, False]
