"""Lines by JSON path, and the condition keys that the evaluator knows."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmssim.audit.condition_keys import KNOWN, MULTIVALUED, WITH_NAMES, is_known
from kmssim.audit.lines import lines_of
from kmssim.evaluator import context, context_kms
from kmssim.strict_json import join_path

TEXT = """{
  "a": {"b.c": [1, {"d": "}]"}],
    "e": []},
  "f": "\\"x\\n"
}"""


def test_each_member_is_found_on_its_line():
    assert lines_of(TEXT) == {
        "": 1,
        "a": 2,
        'a["b.c"]': 2,
        'a["b.c"][0]': 2,
        'a["b.c"][1]': 2,
        'a["b.c"][1].d': 2,
        "a.e": 3,
        "f": 4,
    }


def paths_of(value: object, path: str = ""):
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths_of(inner, join_path(path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths_of(inner, join_path(path, index))


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4),
    max_leaves=12,
)


@given(DOCUMENTS, st.sampled_from([None, 0, 2]))
def test_every_path_of_a_document_has_a_line_within_it(document, indent):
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    lines = lines_of(text)
    assert set(lines) == set(paths_of(document))
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


@pytest.mark.parametrize("text", ["", "{", '{"a"', "[1,", "nonsense"])
def test_what_is_not_json_has_no_lines(text):
    with pytest.raises(json.JSONDecodeError):
        lines_of(text)


def test_the_table_of_condition_keys_holds_those_of_the_evaluator():
    carried = {key for key in (*context_kms._CARRIED_BY, *context_kms._OF_KEYS) if not key.endswith(":")}
    assert carried <= set(KNOWN)
    assert {key for key in context_kms._CARRIED_BY if key.endswith(":")} <= {one.lower() for one in WITH_NAMES}
    assert MULTIVALUED == context._MULTIVALUED


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("kms:viaservice", True),
        ("kms:viaservices", False),
        ("kms:encryptioncontext:tenant", True),
        ("kms:encryptioncontext:", False),
        ("aws:principaltag/team", True),
        ("aws:principaltags/team", False),
        ("sourceip", False),
        ("s3:prefix", True),
        ("saml:aud", True),
    ],
)
def test_a_slip_of_the_pen_is_told_from_a_key(key, known):
    assert is_known(key) is known
