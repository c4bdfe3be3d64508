"""JSON is read strictly: what other readers let pass is refused with its path."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kmssim.errors import InputError
from kmssim.strict_json import DEEPEST, check_json, join_path, parse_json, read_json

REFUSED = {
    "an empty file": ("", "", "the file is empty"),
    "a missing colon": ('{"a" 1}', "", "expecting ':' delimiter at line 1, column 6"),
    "two values": ("1 2", "", "extra data at line 1, column 3"),
    "a member twice": ('{"a": 1, "a": 1}', "a", "`a` appears twice"),
    "a member twice further in": ('[{"b.c": {"d": 1, "e": 2, "d": 3}}]', '[0]["b.c"].d', "`d` appears twice"),
    "a member twice in what another replaced": ('{"a": {"b": 1, "b": 2}, "a": 3}', "a", "`a` appears twice"),
    "NaN": ('{"a": [1, NaN]}', "a[1]", "`NaN` is no JSON number"),
    "Infinity": ("-Infinity", "", "`-Infinity` is no JSON number"),
    "a number beyond a float": ('{"a": 1e999}', "a", "`inf` is no JSON number"),
    "thousands of digits": (f'{{"a": {"9" * 5000}}}', "a", "is no JSON number"),
    "hundreds of digits": (f'{{"a": {"9" * 500}}}', "a", "a number beyond reason"),
    "half of a surrogate pair": ('{"a": "\\ud83d"}', "a", "half of a surrogate pair"),
    "half of a surrogate pair in a name": ('{"\\ud83d": 1}', "", "half of a surrogate pair"),
    "deep nesting": ("[" * (DEEPEST + 2) + "]" * (DEEPEST + 2), "", f"nested more than {DEEPEST} deep"),
    "nesting that no reader survives": ("[" * 200_000, "", f"nested more than {DEEPEST} deep"),
}


@pytest.mark.parametrize(("text", "path", "what"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_with_the_text_is_said_with_its_path(text, path, what):
    with pytest.raises(InputError) as refusal:
        parse_json(text, "world.json")
    assert (refusal.value.path, refusal.value.file) == (path, "world.json")
    assert what in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "path"),
    [({"a": b"bytes"}, "a"), ({"a": {1: 2}}, "a"), ([{1, 2}], "[0]"), (float("nan"), ""), ([10**400], "[0]")],
    ids=["bytes", "a number as name", "a set", "nan", "a giant"],
)
def test_data_that_json_cannot_say_is_refused(value, path):
    with pytest.raises(InputError) as refusal:
        check_json(value)
    assert refusal.value.path == path


def test_a_value_that_holds_itself_is_refused():
    value = {}
    value["self"] = value
    with pytest.raises(InputError, match="nested more than"):
        check_json(value)


def test_data_is_copied():
    inner = {"b": [1]}
    copied = check_json({"a": inner})
    inner["b"].append(2)
    assert copied == {"a": {"b": [1]}}


def test_as_deep_as_allowed_is_read():
    assert parse_json("[" * DEEPEST + "]" * DEEPEST) == json.loads("[" * DEEPEST + "]" * DEEPEST)


@pytest.mark.parametrize(
    ("content", "what"),
    [(None, "no such file"), (b"\xff\xfe\x00", "not UTF-8 text, byte 0 is to blame"), (b"", "the file is empty")],
    ids=["missing", "not utf-8", "empty"],
)
def test_a_file_that_cannot_be_read_is_named(content, what, tmp_path):
    path = tmp_path / "world.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        read_json(path)
    assert str(refusal.value).startswith(f"{path}: {what}")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="this is a folder"):
        read_json(tmp_path)


@pytest.mark.parametrize("name", ["nul\0.json", "long" * 200 + ".json"], ids=["a NUL character", "too long"])
def test_a_name_that_no_file_can_have_is_refused(name, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path / name)


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "world.json"
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert read_json(path) == {}


def test_messages_and_paths_cannot_move_the_cursor():
    with pytest.raises(InputError) as refusal:
        parse_json('{"a\\u001b[2J\\u009b": 1, "a\\u001b[2J\\u009b": 2}')
    assert str(refusal.value).isprintable()


def test_paths_put_odd_names_into_brackets():
    assert join_path("requests", 0, "context", "aws:CurrentTime") == 'requests[0].context["aws:CurrentTime"]'
    assert join_path("", "accounts", "111122223333") == "accounts.111122223333"


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(PLAIN)
def test_json_is_read_as_the_standard_library_reads_it(value):
    text = json.dumps(value)
    assert parse_json(text) == check_json(value) == json.loads(text)


def parses_elsewhere(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@given(st.text())
def test_text_that_is_no_json_is_refused(text):
    assume(not parses_elsewhere(text))
    with pytest.raises(InputError):
        parse_json(text)
