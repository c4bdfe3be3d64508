"""What botocore would send: requests that are ready to go, and stop there."""

from __future__ import annotations

import datetime as dt

import pytest


def example(shape, depth=0):
    """The least that botocore takes for a shape."""
    if shape.type_name == "structure":
        return {name: example(shape.members[name], depth + 1) for name in shape.required_members}
    if shape.type_name == "list":
        return [example(shape.member, depth + 1)]
    made = {
        "integer": 1,
        "long": 1,
        "boolean": True,
        "blob": b"x",
        "timestamp": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "map": {},
    }
    return made.get(shape.type_name, (getattr(shape, "enum", None) or ["example"])[0])


class NotSentError(Exception):
    """Carries a request that was ready to go."""


def sent_by(client, operation, parameters):
    """What botocore would send for a call."""

    def stop(request, **_):
        raise NotSentError(request)

    client.meta.events.register_first("before-send", stop)
    with pytest.raises(NotSentError) as stopped:
        client._make_api_call(operation, parameters)
    return stopped.value.args[0]
