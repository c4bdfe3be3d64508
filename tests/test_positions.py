"""Where a JSON path stands in a text: line and column as an editor counts them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmssim.errors import InputError
from kmssim.positions import Positions, position_in_text

TEXT = """{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "A",
      "Condition": {"StringEquals": {"kms:EncryptionContext:a.b": "x"}}
    },
    {"Sid": "B: {[\\"", "Action": ["one", "two"]}
  ]
}
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ("", 1, 1),
        ("Version", 2, 3),
        ("Statement", 3, 3),
        ("Statement[0]", 4, 5),
        ("Statement[0].Sid", 5, 7),
        ('Statement[0].Condition.StringEquals["kms:EncryptionContext:a.b"]', 6, 38),
        ("Statement[0].Condition.StringEquals.kms:EncryptionContext:a.b", 6, 38),
        ("Statement[1].Action[1]", 8, 42),
        ("Statement[1].Missing", 8, 5),
        ("Statement[7]", 3, 3),
        ("Nothing", 1, 1),
    ],
)
def test_a_path_is_found(path, line, column):
    positions = Positions(TEXT)
    assert positions.line_and_column(positions.nearest(path).name) == (line, column)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=15,
)


def steps_of(value, steps=()):
    yield steps, value
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in members:
        yield from steps_of(inner, (*steps, step))


@given(JSON, st.sampled_from([None, 0, 2]))
def test_every_value_stands_where_it_says(value, indent):
    positions = Positions(json.dumps(value, indent=indent))
    found = dict(steps_of(value))
    assert set(positions.places) == set(found)
    for steps, inner in found.items():
        place = positions.of(steps)
        assert json.loads(positions.text[place.begin : place.end]) == inner


@given(st.text(max_size=60))
def test_any_text_has_places_or_none_and_never_raises(text):
    Positions(text)


def test_a_message_that_says_its_place_wins(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("{}")
    assert position_in_text(file, InputError("not JSON at line 3, column 9")) == (3, 9)
    assert position_in_text(tmp_path / "gone.json", InputError("what", path="a")) == (1, 1)
