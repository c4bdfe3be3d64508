"""Fewer loaders read the same: what botocore's and moto's own would have read, and nothing of it changes."""

from __future__ import annotations

import copy
import json

import boto3
import moto.core.base_backend
import moto.core.utils
import pytest
from botocore.config import Config
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader, create_loader
from sandbox.sent import example, sent_by

from kmssim.sandbox.gate import GATED
from kmssim.sandbox.model_loaders import loader_of_clients, moto_reads_once, new_session, untouched_loader
from kmssim.sandbox.service_models import regions_of

TYPES = ("service-2", "paginators-1", "waiters-2", "endpoint-rule-set-1", "examples-1", "no-such-type")


@pytest.mark.parametrize("type_name", TYPES)
def test_the_services_of_a_type_are_those_that_botocore_finds(type_name):
    assert loader_of_clients().list_available_services(type_name) == create_loader().list_available_services(type_name)


def test_a_model_of_ones_own_is_found_beside_botocores(tmp_path):
    model = tmp_path / "mine" / "2026-01-01" / "service-2.json"
    model.parent.mkdir(parents=True)
    model.write_text(json.dumps({"metadata": {"serviceId": "mine"}}))
    (tmp_path / "no-service.txt").write_text("")
    loader = untouched_loader.__wrapped__()
    loader.search_paths.append(str(tmp_path))
    assert loader.load_service_model("mine", "service-2")["metadata"] == {"serviceId": "mine"}
    with pytest.raises(UnknownServiceError):
        loader.load_service_model("yours", "service-2")


@pytest.mark.parametrize("service", ["kms", "iam", "s3", "secretsmanager"])
def test_moto_reads_what_it_would_have_read_and_its_loader_once(service):
    by_itself = moto.core.utils._load_service_model(service, "service-2")
    with moto_reads_once():
        assert moto.core.utils.create_loader() is moto.core.utils.create_loader()
        assert moto.core.utils._load_service_model(service, "service-2") == by_itself
    assert moto.core.utils.create_loader() is not moto.core.utils.create_loader()
    assert type(moto.core.utils.create_loader()).list_available_services is Loader.list_available_services


def test_moto_finds_the_regions_that_it_would_have_found():
    alone = boto3.Session()
    with moto_reads_once():
        ours = moto.core.base_backend.Session()
    assert moto.core.base_backend.Session is boto3.Session
    for partition in alone.get_available_partitions():
        expected = alone.get_available_regions("kms", partition)
        assert ours.get_available_regions("kms", partition) == expected
        assert regions_of("kms") >= set(expected)


@pytest.mark.parametrize("service", sorted({*GATED, "secretsmanager", "organizations", "ec2"} - {"s3"}))
def test_clients_change_nothing_of_what_the_gate_reads_with_them(service):
    """So the gate may read the same, which S3's do not allow."""
    before = copy.deepcopy(create_loader().load_service_model(service, "service-2"))
    once = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    client = boto3.Session(botocore_session=new_session()).client(
        service, "eu-west-3", aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x", config=once
    )
    for name in client.meta.service_model.operation_names:
        shape = client.meta.service_model.operation_model(name).input_shape
        sent_by(client, name, example(shape) if shape else {})
    assert loader_of_clients().load_service_model(service, "service-2") == before
