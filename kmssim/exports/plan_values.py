"""The values of a Terraform plan: what is planned, and, where that is known only after apply, what refers to what.

A new key has no id in a plan, so an alias of it names no key there. The plan's configuration says that the alias refers
to that key, and that is enough. A policy that holds such a reference cannot be put together from it: the configuration
says what a text refers to, not how it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from kmssim.exports.notes import Spot
from kmssim.exports.parts import Part

_INDEX = re.compile(r"\[[^\]]*\]")
_DEEPEST = 20


@dataclass(frozen=True)
class Resource:
    """One resource of a plan. `module` is the address of its module, "" for the root; `index` that of count or each."""

    address: str
    module: str
    kind: str
    name: str
    index: object
    is_data: bool
    values: Part
    configuration: Part | None

    @property
    def spot(self) -> Spot:
        """Where it stands."""
        return self.values.spot

    @property
    def label(self) -> str:
        """Its address without what every address of its kind begins with."""
        return self.address.replace(f"{self.kind}.", "", 1)

    def states(self, member: str) -> bool:
        """Whether the configuration gives the argument a value; without a configuration nobody knows, and it may."""
        if self.configuration is None:
            return True
        expressions = self.configuration.get("expressions")
        return expressions is not None and member in expressions.mapping()


Computed = Callable[[Resource, str], str | None]
"""An attribute that only AWS gives, such as an ARN, as it will be; None: nobody can tell."""


@dataclass
class Plan:
    """The resources of a plan or a state by address, and their configuration."""

    content: Part
    computed: Computed
    resources: dict[str, Resource] = field(default_factory=dict)
    _instances: dict[str, list[Resource]] = field(default_factory=dict)
    _configurations: dict[str, dict[str, Part]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Walk through the modules; data that was read before stands in the prior state."""
        prior = self.content.get("prior_state")
        for values in (
            prior.get("values") if prior else None,
            self.content.get("planned_values") or self.content.get("values"),
        ):
            root = values.get("root_module") if values else None
            for resource in self._walk(root, "") if root else ():
                self.resources[resource.address] = resource
        if self.content.get("planned_values") is not None:
            self.resources = {address: each for address, each in self.resources.items() if self._stays(each)}
        for resource in self.resources.values():
            self._instances.setdefault(_INDEX.sub("", resource.address), []).append(resource)

    def _stays(self, resource: Resource) -> bool:
        """What the plan destroys stands in the prior state alone; data stands there, too, and stays."""
        return resource.is_data or resource.spot.path.startswith("planned_values")

    def _walk(self, module: Part, address: str) -> Iterator[Resource]:
        for each in module.listed("resources"):
            kind, name = each["type"].text(), each["name"].text()
            is_data = each.optional_text("mode") == "data"
            configuration = self._configuration(address, f"{'data.' if is_data else ''}{kind}.{name}")
            index = each.mapping().get("index")
            values = each.get("values") or Part({}, each.spot)
            yield Resource(each["address"].text(), address, kind, name, index, is_data, values, configuration)
        for child in module.listed("child_modules"):
            yield from self._walk(child, child["address"].text())

    def _configuration(self, module: str, address: str) -> Part | None:
        if module not in self._configurations:
            found = self._module(module)
            listed = found.listed("resources") if found else []
            self._configurations[module] = {each["address"].text(): each for each in listed}
        return self._configurations[module].get(address)

    def _call(self, module: str) -> Part | None:
        """The call of a module: its arguments, and the module itself."""
        found = self.content.get("configuration")
        found = found.get("root_module") if found else None
        call = None
        for name in re.findall(r"module\.([^.\[]+)", module):
            calls = found.get("module_calls") if found else None
            call = calls.get(name) if calls else None
            found = call.get("module") if call else None
        return call

    def _module(self, module: str) -> Part | None:
        if module:
            call = self._call(module)
            return call.get("module") if call else None
        configuration = self.content.get("configuration")
        return configuration.get("root_module") if configuration else None

    def text(self, resource: Resource, member: str) -> Part:
        """An argument as text, from the plan or through what it refers to.

        Raises:
            InputError: it is known only after apply.

        """
        found = self.known(resource, member)
        if found is None:
            raise resource.spot.at(member).refusal(f"`{resource.address}.{member}` is known only after apply")
        return found

    def document(self, resource: Resource, member: str) -> Part:
        """An argument that is a policy: only as it is planned. What it refers to does not say how it is written.

        Raises:
            InputError: as `text`.

        """
        planned = resource.values.get(member)
        if planned is None:
            hint = "import what `terraform show -json` writes after apply"
            raise resource.spot.at(member).refusal(f"`{resource.address}.{member}` is known only after apply", hint)
        return planned

    def known(self, resource: Resource, member: str) -> Part | None:
        """The same, or None."""
        planned = resource.values.get(member)
        if planned is not None:
            return planned
        expressions = resource.configuration.get("expressions") if resource.configuration else None
        expression = expressions.get(member) if expressions and isinstance(expressions.value, Mapping) else None
        found = self._follow(expression, resource.module, resource.index, 0) if expression else None
        return None if found is None else Part(found, resource.spot.at(member))

    def _follow(self, expression: Part, module: str, index: object, depth: int) -> str | None:
        """What an expression that refers to one attribute gives."""
        if depth > _DEEPEST or not isinstance(expression.value, Mapping):
            return None
        constant = expression.value.get("constant_value")
        if isinstance(constant, str):
            return constant
        references = [each.text() for each in expression.listed("references")]
        wanted = [
            each for each in references if not any(other.startswith((f"{each}.", f"{each}[")) for other in references)
        ]
        if len(wanted) != 1:
            return None
        return self._attribute(wanted[0], module, index, depth)

    def _attribute(self, reference: str, module: str, index: object, depth: int) -> str | None:
        parts = _INDEX.sub("", reference).split(".")
        match parts:
            case ["var", name]:
                return self._argument(name, module, depth)
            case ["module", name, output]:
                return self._output(name, output, module, depth)
            case ["data", kind, name, attribute]:
                return self._of(f"data.{kind}.{name}", reference, attribute, module, index)
            case [kind, name, attribute]:
                return self._of(f"{kind}.{name}", reference, attribute, module, index)
            case _:
                return None

    def _argument(self, name: str, module: str, depth: int) -> str | None:
        """What a module's variable was given."""
        if not module:
            variables = self.content.get("variables")
            variable = variables.get(name) if variables else None
            value = variable.mapping().get("value") if variable else None
            return value if isinstance(value, str) else None
        call = self._call(module)
        expressions = call.get("expressions") if call else None
        expression = expressions.get(name) if expressions else None
        outer = module.rpartition("module.")[0].rstrip(".")
        return self._follow(expression, outer, None, depth + 1) if expression else None

    def _output(self, name: str, output: str, module: str, depth: int) -> str | None:
        inner = f"{module}.module.{name}" if module else f"module.{name}"
        found = self._module(inner)
        outputs = found.get("outputs") if found else None
        expression = outputs.get(output) if outputs else None
        stated = expression.get("expression") if expression else None
        return self._follow(stated, inner, None, depth + 1) if stated else None

    def _of(self, name: str, reference: str, attribute: str, module: str, index: object) -> str | None:
        """The attribute of a resource; where it has several instances, of the one that is meant."""
        prefix = f"{module}." if module else ""
        exact = self.resources.get(prefix + reference.rpartition(".")[0])
        same = self._instances.get(_INDEX.sub("", prefix + name), [])
        one = exact or next(
            (each for each in same if len(same) == 1 or (index is not None and each.index == index)), None
        )
        if one is None:
            return None
        value = one.values.mapping().get(attribute)
        return value if isinstance(value, str) and value else self.computed(one, attribute)

    def provider_region(self, resource: Resource) -> str | None:
        """The Region of the resource's provider, where the configuration says so."""
        configuration = self.content.get("configuration")
        providers = configuration.get("provider_config") if configuration else None
        key = resource.configuration.optional_text("provider_config_key") if resource.configuration else None
        provider = providers.get(key or "aws") if providers else None
        expressions = provider.get("expressions") if provider else None
        region = expressions.get("region") if expressions else None
        return self._follow(region, "", None, 0) if region else None
