"""The declared world of a scenario: from the file's models to the evaluator's frozen data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kmssim.evaluator.policy import PolicyKind
from kmssim.evaluator.world import Account, Organization, Unit, VpcEndpoint, World
from kmssim.scenario_file.accounts import ROOT, AccountReader, read_each, read_optional, read_rcps, read_scps
from kmssim.scenario_file.models import OrganizationDocument, ScenarioDocument, UnitDocument, VpcEndpointDocument
from kmssim.scenario_file.places import Place, Problems

_DEEPEST_UNIT = 5


def read_world(document: ScenarioDocument, place: Place) -> World:
    """Make the world that the scenario declares.

    Raises:
        InputError: the first thing in it that AWS would not make or that refers to something undeclared, and how many
            more there are.

    """
    organization = None
    if document.organization is not None:
        organization = _read_organization(document.organization, place.at("organization"))
    problems = Problems()
    accounts = {
        name: AccountReader(name, account, document.region, organization, place.at("accounts", name), problems).read()
        for name, account in document.accounts.items()
    }
    _check_buckets(accounts, place.at("accounts"), problems)
    endpoints = read_each(document.vpc_endpoints, _read_vpc_endpoint, place.at("vpc_endpoints"), problems)
    problems.raise_first()
    return World(accounts, document.region, organization, endpoints)


def _read_organization(document: OrganizationDocument, place: Place) -> Organization:
    declared = {ROOT: UnitDocument(), **document.units}
    units = {name: _read_unit(name, unit, place.at("units", name)) for name, unit in declared.items()}
    for name, unit in units.items():
        where = place.at("units", name, "parent")
        if unit.parent is not None and unit.parent not in units:
            raise where.unknown(f"no unit `{unit.parent}`", unit.parent, units)
        line = list(_upwards(name, units))
        if line[-1] != ROOT:
            raise where.refusal(f"the parents of `{name}` run in a circle")
        if len(line) > _DEEPEST_UNIT + 1:
            raise where.refusal(f"`{name}` lies more than {_DEEPEST_UNIT} units below the root", "AWS allows no more")
    return Organization(document.id, document.management_account, units)


def _upwards(name: str, units: Mapping[str, Unit]) -> Iterator[str]:
    """The unit, its parent, and so on until there is none, or one comes again."""
    seen: set[str] = set()
    while name in units and name not in seen:
        yield name
        seen.add(name)
        name = units[name].parent or ""


def _read_unit(name: str, document: UnitDocument, place: Place) -> Unit:
    if name == ROOT and document.parent is not None:
        raise place.at("parent").refusal("the root has no parent")
    parent = None if name == ROOT else document.parent or ROOT
    scps, rcps = read_scps(document.scps, place.at("scps")), read_rcps(document.rcps, place.at("rcps"))
    return Unit(name, parent, scps, rcps)


def _read_vpc_endpoint(name: str, document: VpcEndpointDocument, place: Place) -> VpcEndpoint:
    policy = read_optional(document.policy, PolicyKind.VPC_ENDPOINT, place.at("policy"))
    return VpcEndpoint(name, document.account, document.vpc, policy)


def _check_buckets(accounts: Mapping[str, Account], place: Place, problems: Problems) -> None:
    """Bucket names are global: no two accounts have the same."""
    owners: dict[str, str] = {}
    for account in accounts.values():
        for name in account.buckets:
            owner = owners.setdefault(name, account.id)
            if owner != account.id:
                with problems.noted():
                    raise place.at(account.id, "buckets", name).refusal(f"account {owner} has a bucket of that name")
