"""What the service model admits (EM-34), held against the model that botocore ships."""

from __future__ import annotations

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from building import EVERYTHING, call, decided, world

from kmssim.evaluator import validation
from kmssim.evaluator.validation import find_invalid_parameter

MODEL = ServiceModel(Loader().load_service_model("kms", "service-2"), "kms")
# Of the older name of KeySpec the model knows fewer values; KeySpec of the data keys has values of its own.
DIFFERS = {"CustomerMasterKeySpec"}


def shapes():
    """Every parameter by operation and name: the members of lists, tags and constraints too."""
    for operation in MODEL.operation_names:
        shape = MODEL.operation_model(operation).input_shape
        for name, member in shape.members.items() if shape else ():
            if name == "Tags":
                yield from ((operation, part, inner) for part, inner in member.member.members.items())
            elif name == "Constraints":
                yield operation, "SourceArn", member.members["SourceArn"]
            else:
                yield operation, name, member.member if member.type_name == "list" else member


SHAPES = list(shapes())


@pytest.mark.parametrize("name", sorted(validation._ENUMERATIONS))
def test_enumerations_are_those_of_the_model_or_newer(name):
    of_model = [(operation, set(shape.enum)) for operation, known, shape in SHAPES if known == name and shape.enum]
    for operation, values in of_model:
        ours = (
            validation._DATA_KEY_SPECS if (name, operation) in validation._DATA_KEYS else validation._ENUMERATIONS[name]
        )
        assert values <= set(ours), f"{operation} {name}"


@pytest.mark.parametrize("name", sorted({*validation._LENGTHS, *validation._RANGES}))
def test_bounds_are_those_of_the_model(name):
    ours = validation._LENGTHS.get(name) or validation._RANGES[name]
    found = {
        (shape.metadata.get("min"), shape.metadata.get("max"))
        for operation, known, shape in SHAPES
        if known == name and {"min", "max"} & set(shape.metadata)
    }
    assert found <= {ours}, name


def test_the_model_has_no_other_enumeration_in_a_parameter():
    known = {name for _, name, shape in SHAPES if shape.type_name == "string" and shape.enum}
    assert known <= set(validation._ENUMERATIONS) | DIFFERS


@pytest.mark.parametrize("operation", sorted(MODEL.operation_names))
def test_a_call_with_nothing_wrong_passes_and_one_about_nothing_does_not(operation):
    """CH-1: of required members only those count that say what the call is about."""
    about = {"KeyId", "TargetKeyId", "DestinationKeyId", "AliasName", "ReplicaRegion", "PrimaryRegion"}
    values = {"AliasName": "alias/a", "ReplicaRegion": "eu-west-1", "PrimaryRegion": "eu-west-1"}
    required = about & set(MODEL.operation_model(operation).input_shape.required_members)
    stated = {name: values.get(name, "x") for name in required}
    if operation == "RetireGrant":
        stated = {"GrantToken": "x"}
    assert find_invalid_parameter(call(f"kms:{operation}", parameters=stated)) is None
    if stated:
        assert find_invalid_parameter(call(f"kms:{operation}", parameters={})).code == "ValidationException"


def test_a_region_that_is_none():
    parameters = {"KeyId": "x", "ReplicaRegion": "mars"}
    failure = decided(world(mine=EVERYTHING), operation="kms:ReplicateKey", parameters=parameters).failure
    assert "at 'replicaRegion' failed to satisfy constraint: Member must satisfy regular expression" in failure.message


@pytest.mark.parametrize(("count", "refused"), [(10, False), (11, True)])
def test_a_call_passes_ten_grant_tokens_at_most(count, refused):
    """GR-4."""
    found = find_invalid_parameter(call("kms:Encrypt", grant_tokens=("a-token",) * count))
    assert (found is not None) is refused


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ([{"TagKey": "a"}], None),
        ([{"TagValue": "b"}, "no tag"], None),
        ([{"TagValue": "b"}, {"TagKey": ""}], "Value '' at 'tags.2.member.tagKey' failed to satisfy constraint"),
    ],
)
def test_of_a_tag_that_lacks_a_part_the_other_is_looked_at(tags, said):
    """EM-34: what a member that is there may hold."""
    found = find_invalid_parameter(call("kms:TagResource", parameters={"KeyId": "x", "Tags": tags}))
    assert said in found.message if said else found is None
