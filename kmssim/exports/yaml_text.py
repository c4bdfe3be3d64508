"""YAML as CloudFormation reads it: its short forms (`!Ref Key`) in full, and no dates: `2012-10-17` is a version."""

from __future__ import annotations

from typing import Any

import yaml

from kmssim.errors import InputError

_SHORT = {"Ref": "Ref", "Condition": "Condition"}
_PLAIN = ("null", "bool", "int", "float", "merge")


class _Loader(yaml.SafeLoader):  # type: ignore[misc, name-defined, unused-ignore]
    """Safe: makes nothing but plain values."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML reads it from the class
        first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in _PLAIN]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 - PyYAML's
        """No aliases: CloudFormation takes none, and a few lines of them fill any memory."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "a YAML alias, which CloudFormation does not take", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, object]:  # noqa: ANN401, FBT001, FBT002 - PyYAML's
        """Names are text: an account id without quotation marks is one, too. None may come twice."""
        found: dict[str, object] = {}
        for name_node, value_node in node.value:
            name = str(name_node.value)
            if name in found:
                raise yaml.constructor.ConstructorError(None, None, f"`{name}` stands twice", name_node.start_mark)
            found[name] = self.construct_object(value_node, deep=deep)
        return found


def _in_full(loader: Any, suffix: str, node: Any) -> dict[str, object]:  # noqa: ANN401 - PyYAML's loader and node
    """`!GetAtt Key.Arn` as `{"Fn::GetAtt": ["Key", "Arn"]}`."""
    if isinstance(node, yaml.ScalarNode):
        value: object = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {_SHORT.get(suffix, f"Fn::{suffix}"): value}


_Loader.add_multi_constructor("!", _in_full)


def parse_yaml(text: str, file: str) -> object:
    """Read YAML text into plain values.

    Raises:
        InputError: it is none, holds several documents, or a tag of its own.

    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - the loader is a safe one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = getattr(error, "problem", None) or str(error) or "nested too deeply"
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"not YAML: {problem}{where}", file=file, hint="a YAML template was expected") from None
