"""The requests of a scenario: from the file's words to the `Call` that is asked of the world."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic_core import PydanticCustomError

from kmssim.evaluator.operations import OPERATIONS
from kmssim.evaluator.request import Call, Ciphertext, ContextValue, Network, Principal
from kmssim.evaluator.world import World
from kmssim.scenario_file.callers import read_caller
from kmssim.scenario_file.models import CiphertextDocument, NetworkDocument, RequestDocument, text_of
from kmssim.scenario_file.places import Place
from kmssim.scenario_file.policies import read_document
from kmssim.scenario_file.problems import describe
from kmssim.scenario_file.references import KEY_PARAMETERS, References

THROUGH_A_SERVICE = ("s3:GetObject", "s3:PutObject", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue")
"""The operations of other services that reach KMS for their caller."""

_NAMES = (*KEY_PARAMETERS, "AliasName", "GrantId", "GrantToken", "Bucket", "SecretId")
_CONTEXTS = ("EncryptionContext", "SourceEncryptionContext", "DestinationEncryptionContext")


def read_call(document: RequestDocument, world: World, place: Place) -> Call:
    """Make the call of the request at `place`.

    Raises:
        InputError: an operation, principal, key, grant, bucket, secret or endpoint that there is not; a value that the
            call cannot have.

    """
    _check_operation(document.operation, place.at("operation"))
    principal = read_caller(document.principal, document.session, world, place)
    references = References(world, principal.account or principal.source_account or "")
    reader = _CallReader(document, principal, references, place)
    return reader.read()


def _check_operation(operation: str, place: Place) -> None:
    known = [*(f"kms:{name}" for name in OPERATIONS), *THROUGH_A_SERVICE]
    if operation not in known:
        raise place.unknown(f"no operation `{operation}`", operation, known)


@dataclass(frozen=True)
class _CallReader:
    document: RequestDocument
    principal: Principal
    references: References
    place: Place

    def read(self) -> Call:
        parameters = self._parameters()
        stated = self.document.ciphertext.key if self.document.ciphertext else None
        region = self.document.region or self.references.region(self.document.operation, parameters, stated)
        ciphertext = self._ciphertext(self.document.ciphertext, parameters, region)
        tokens = tuple(self._grant_tokens(parameters))
        parameters.pop("GrantTokens", None)
        return Call(
            principal=self.principal,
            operation=self.document.operation,
            region=region,
            parameters=parameters,
            ciphertext=ciphertext,
            grant_tokens=tokens,
            via=self.document.via,
            network=_read_network(self.document.network, self.references.world, self.place.at("network")),
            context=_read_context(self.document.context, self.place.at("context")),
        )

    def _parameters(self) -> dict[str, object]:
        """The parameters, with policies read from their files, contexts as text, and grants by their ids."""
        here = self.place.at("parameters")
        given: dict[str, object] = dict(self.document.parameters)
        for name in _NAMES:
            if name in given and not isinstance(given[name], str):
                raise here.at(name).refusal(f"expected a string; found {describe(given[name])}")
        for name in _CONTEXTS:
            if name in given:
                given[name] = _read_encryption_context(given[name], here.at(name))
        constraints = given.get("Constraints")
        if isinstance(constraints, dict):
            given["Constraints"] = _read_constraints(constraints, here.at("Constraints"))
        self._check_resource(here)
        if isinstance(given.get("Policy"), str):
            given["Policy"] = self._policy(str(given["Policy"]), here.at("Policy"))
        for name in ("GrantId", "GrantToken"):
            if name in given:
                given[name] = self.references.grant_id(str(given[name]), _keys_in(given), here.at(name))
        return given

    def _policy(self, text: str, place: Place) -> Mapping[str, object]:
        if text.endswith(".json"):
            return read_document(text, place)
        raise place.refusal("expected a policy document or a path ending in .json; found other text")

    def _check_resource(self, place: Place) -> None:
        """S3 knows nothing of an undeclared bucket, and an answer about it would mean nothing."""
        world, given = self.references.world, self.document.parameters
        if self.document.operation.startswith("s3:"):
            name = str(given.get("Bucket", ""))
            if name not in world.buckets:
                raise place.at("Bucket").unknown(f"no bucket `{name}`", name, world.buckets)
        if self.document.operation.startswith("secretsmanager:"):
            name = str(given.get("SecretId", ""))
            account = world.accounts.get(self.principal.account)
            secrets = account.secrets if account else {}
            if name not in secrets and not name.startswith("arn:"):
                raise place.at("SecretId").unknown(f"no secret `{name}`", name, secrets)

    def _ciphertext(
        self, document: CiphertextDocument | None, parameters: Mapping[str, object], region: str
    ) -> Ciphertext | None:
        if document is None:
            return None
        here = self.place.at("ciphertext")
        stated = document.key or next(iter(_keys_in(parameters)), None)
        if stated is None:
            raise here.refusal("the field `key` is missing", "the call names no key either")
        return Ciphertext(self.references.key_arn(stated, region, here.at("key")), document.encryption_context)

    def _grant_tokens(self, parameters: Mapping[str, object]) -> Iterator[str]:
        """The ids of the grants whose tokens are passed, in our word (`grant_tokens`) or in boto3's (`GrantTokens`)."""
        keys = _keys_in(parameters)
        if self.document.ciphertext is not None and self.document.ciphertext.key:
            keys.append(self.document.ciphertext.key)
        for index, name in enumerate(self.document.grant_tokens):
            yield self.references.grant_id(name, keys, self.place.at("grant_tokens", index))
        passed, here = parameters.get("GrantTokens", []), self.place.at("parameters", "GrantTokens")
        if not isinstance(passed, list):
            raise here.refusal(f"expected a list; found {describe(passed)}")
        for index, name in enumerate(passed):
            if not isinstance(name, str):
                raise here.at(index).refusal(f"expected a string; found {describe(name)}")
            yield self.references.grant_id(name, keys, here.at(index))


def _keys_in(parameters: Mapping[str, object]) -> list[str]:
    """What the parameters say about the key, the one that a ciphertext was made with first."""
    return [str(parameters[name]) for name in ("KeyId", "SourceKeyId", "TargetKeyId") if name in parameters]


def _read_encryption_context(given: object, place: Place) -> Mapping[str, str]:
    if not isinstance(given, dict):
        raise place.refusal(f"expected an object; found {describe(given)}")
    return {name: _read_text(value, place.at(name)) for name, value in given.items()}


def _read_constraints(given: dict[str, object], place: Place) -> Mapping[str, object]:
    """CreateGrant's constraints, with those on the encryption context as text (EC-14)."""
    on_context = ("EncryptionContextEquals", "EncryptionContextSubset")
    return {
        name: _read_encryption_context(value, place.at(name)) if name in on_context else value
        for name, value in given.items()
    }


def _read_text(value: object, place: Place) -> str:
    try:
        return text_of(value)
    except PydanticCustomError as error:
        raise place.refusal(f"{error.message()}; found {describe(value)}") from None


def _read_context(given: Mapping[str, object], place: Place) -> Mapping[str, ContextValue]:
    """Condition keys in small letters (CO-12) with their values as text."""
    context: dict[str, ContextValue] = {}
    for name, value in given.items():
        if name.lower() in context:
            raise place.at(name).refusal(f"`{name}` is stated twice", "case does not matter in condition keys")
        if isinstance(value, list):
            texts = (_read_text(each, place.at(name, index)) for index, each in enumerate(value))
            context[name.lower()] = tuple(texts)
        else:
            context[name.lower()] = _read_text(value, place.at(name))
    return context


def _read_network(document: NetworkDocument, world: World, place: Place) -> Network:
    endpoint, address = document.vpc_endpoint, document.source_ip
    if endpoint is not None and endpoint not in world.vpc_endpoints:
        raise place.at("vpc_endpoint").unknown(f"no VPC endpoint `{endpoint}`", endpoint, world.vpc_endpoints)
    if address is not None:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise place.at("source_ip").refusal(f"`{address}` is no IP address") from None
    return Network(address, endpoint, document.secure_transport)
