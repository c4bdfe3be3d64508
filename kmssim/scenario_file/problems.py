"""What pydantic says about a document, in our words: where, what was expected, what was found, the nearest field."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from kmssim.errors import InputError
from kmssim.scenario_file.models import EXPECTED
from kmssim.scenario_file.places import Place, near_names, with_count
from kmssim.strict_json import join_path

_Model = TypeVar("_Model", bound=BaseModel)
_Steps = tuple[str | int, ...]

_KINDS = {
    "string_type": "a string",
    "bool_type": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "list_type": "a list",
    "too_short": "a list with at least one element",
}
_LONGEST_SHOWN = 60


def validate(model: type[_Model], content: object, place: Place) -> _Model:
    """Read a document into its model.

    Raises:
        InputError: the first mistake in document order, and how many more there are.

    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        details = error.errors(include_url=False)
        first = min(details, key=lambda each: _position(_steps(each), content, each["type"]))
        raise with_count(_refusal(model, first, place), len(details) - 1) from None


def _refusal(model: type[BaseModel], error: ErrorDetails, place: Place) -> InputError:
    steps, kind = _steps(error), error["type"]
    here = place.at(*steps)
    if kind == "extra_forbidden":
        return here.unknown(f"unknown field `{steps[-1]}`", str(steps[-1]), _fields(model, steps[:-1]))
    if kind == "missing":
        where = Place(place.file, place.folder, join_path(place.path, *steps[:-1]))
        return where.refusal(f"the field `{steps[-1]}` is missing")
    found = describe(error["input"])
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", str(error["ctx"]["expected"]))
        return here.refusal(f"expected one of {', '.join(known)}; found {found}", _near(error["input"], known))
    if kind == EXPECTED:
        return here.refusal(f"{error['msg']}; found {found}")
    return here.refusal(f"expected {_KINDS.get(kind, error['msg'])}; found {found}")


def _near(given: object, known: list[str]) -> str:
    hint = near_names(given, known) if isinstance(given, str) else ""
    return hint if hint.startswith("did you mean") else ""


def describe(value: object) -> str:
    """Name a JSON value for a message: scalars as written, objects and lists by their kind."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = " ".join(str(value).split()) if isinstance(value, str) else f"the number {value}"
    shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    return f"`{shown}`" if isinstance(value, str) else shown


def _steps(error: ErrorDetails) -> _Steps:
    """The error's path in the document: pydantic adds markers such as `[key]`, which stand in no file."""
    return tuple(step for step in error["loc"] if not (isinstance(step, str) and re.fullmatch(r"\[[a-z]+\]", step)))


def _position(steps: _Steps, content: object, kind: str) -> list[int]:
    """Where in the document the error stands, as a sort key.

    A missing field stands where its object ends: where it was misspelt, the unknown field says more.
    """
    position: list[int] = []
    for step in steps:
        if isinstance(content, Mapping) and step in content:
            position.append(list(content).index(step))
            content = content[step]
        elif isinstance(content, list) and isinstance(step, int) and step < len(content):
            position.append(step)
            content = content[step]
    return position if kind != "missing" else [*position, sys.maxsize]


def _fields(annotation: Any, steps: _Steps) -> Iterator[str]:  # noqa: ANN401 - any annotation
    """The names of the fields that the model at `steps` takes."""
    model = _model_in(annotation)
    if not steps:
        return (field.alias or name for name, field in model.model_fields.items()) if model else iter(())
    step, *others = steps
    if model:
        annotations = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        return _fields(annotations.get(str(step)), tuple(others))
    return _fields(_element(annotation), tuple(others))


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401
    """The model that an annotation is, or that is one of its alternatives."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Annotated, Union, types.UnionType}:
        return next((model for model in map(_model_in, get_args(annotation)) if model), None)
    return None


def _element(annotation: Any) -> Any:  # noqa: ANN401
    """What a list or an object of names holds."""
    return get_args(annotation)[-1] if get_origin(annotation) in {dict, list} else None
