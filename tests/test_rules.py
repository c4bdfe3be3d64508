"""The rule book as data: complete, fresh, and answering for every id that the project cites."""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from kmssim.errors import InputError
from kmssim.rules import BOOK, INDEX, Source, all_rules, rule
from kmssim.rules.parse import dump_index, parse_book

ROOT = Path(__file__).parents[1]
TEXT = BOOK.read_text(encoding="utf-8")
LINES = TEXT.splitlines()
CITATION = re.compile(r"(?<![\w-])((?:PG|CO|KP|DA|XA|GR|EC|CK|OP|ST|TP|MK|SV|OR|DS|EM|CH|MC|PE|UN|MO)-\d+)(?![\w-])")
LIST_ITEMS = [line for line in LINES if re.match(r"- `[A-Z]{2}-\d+`", line)]
TABLE_ROWS = [line for line in LINES if re.match(r"\|.*`[A-Z]{2}-\d+`", line)]
KEYS = re.compile(r"\[([A-Z][A-Za-z0-9]*-[A-Za-z0-9-]+|BOTO)\]")

# Per family. In all 228 list items, 271 table rows, and the paragraphs EM-1 and ST-1.
FAMILIES = {
    "PG": 45, "CO": 32, "KP": 10, "DA": 23, "XA": 14, "GR": 40, "EC": 14, "CK": 64, "OP": 60, "ST": 6, "TP": 15,
    "MK": 5, "SV": 5, "OR": 11, "DS": 23, "EM": 34, "CH": 10, "MC": 30, "PE": 20, "UN": 32, "MO": 8,
}  # fmt: skip

# The book gives these no source key.
WITHOUT_SOURCE = {
    *("PG-7", "PG-31", "PG-32", "PG-34"),
    *("CO-48", "GR-17", "GR-22", "EC-12", "CH-3", "CH-4", "CH-9", "CH-10"),  # uncertain: a safe default only
    *("ST-2", "MK-5", "DS-41"),
    *("UN-5", "UN-8", "UN-14", "UN-24", "UN-26", "UN-27", "UN-30"),  # open questions; evidence in words at most
    *("MO-3", "MO-4", "MO-5", "MO-6", "MO-7", "MO-8"),  # seen in moto itself
}

SAMPLE = """## 1. One (AA)

- `AA-1` **[documented]** First, see AA-2. *Src:* [K-X].

| Rule | Thing |
|---|---|
| `AA-2` | a `x|y` |

Status **[observed]**; *Src:* [K-X].

## Source index

| Key | Title | URL |
|---|---|---|
| K-X | Page | <https://example.com/x> |
"""


def defined_in_book():
    """Ids in backticks: only the place that defines a rule has them. Read without the parser."""
    return re.findall(r"`([A-Z]{2}-\d+)`", TEXT)


def test_index_is_fresh():
    hint = "run python -m kmssim.rules"
    assert INDEX.read_text(encoding="utf-8") == dump_index(parse_book(TEXT)), hint


def test_every_rule_of_the_book_is_in_the_index_once_and_in_its_order():
    assert list(all_rules()) == defined_in_book()


def test_the_book_defines_501_rules():
    assert Counter(rule_id[:2] for rule_id in all_rules()) == FAMILIES
    assert len(all_rules()) == sum(FAMILIES.values()) == 501


def test_every_reference_in_the_book_leads_to_a_rule():
    assert set(re.findall(r"(?<![\w-])([A-Z]{2}-\d+)(?![\w-])", TEXT)) == set(all_rules())


def test_every_rule_id_that_the_project_cites_is_defined():
    cited = {
        (str(path.relative_to(ROOT)), rule_id)
        for folder in ("kmssim", "labs", "tests/cases")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".json", ".md", ".html", ".rego"} and path not in {BOOK, INDEX}
        for rule_id in CITATION.findall(path.read_text(encoding="utf-8"))
    }
    assert cited
    assert sorted((path, rule_id) for path, rule_id in cited if rule_id not in all_rules()) == []


@pytest.mark.parametrize("found", all_rules().values(), ids=lambda found: found.id)
def test_rule_is_complete(found):
    assert rule(found.id) is found
    assert found.text.strip() == found.text != ""
    assert f"# {found.section}" in TEXT
    marks = found.status.split(" + ")
    assert set(marks) <= {"documented", "observed", "uncertain"}
    assert len(set(marks)) == len(marks)
    assert bool(found.sources) == (found.id not in WITHOUT_SOURCE)
    assert all(source.title and source.url.startswith("https://") for source in found.sources)
    assert "**" not in re.sub(r"`[^`]*`", "", found.text + (found.example or ""))
    assert not re.search(r"\*(Ex|Src|Default)", found.text)


@pytest.mark.parametrize("line", LIST_ITEMS, ids=lambda line: line[3:9])
def test_list_item_keeps_its_status_its_sources_and_its_words(line):
    found = rule(re.search(r"`(.+?)`", line)[1])
    assert found.status.split(" + ")[0] == re.search(r"\*\*\[(\w+)\]\*\*", line)[1]
    if "*Src:*" in line:
        assert {source.key for source in found.sources} == set(KEYS.findall(line))
    kept = re.findall(r"\w+", f"{found.text} {found.example or ''}")
    stated = re.findall(r"\w+", re.sub(r"\*(Ex|Src):\*", "", line.split("]**", 1)[1].split("*Src:*")[0]))
    assert not Counter(stated) - Counter(kept)


@pytest.mark.parametrize("line", TABLE_ROWS, ids=lambda line: CITATION.search(line)[1])
def test_table_row_keeps_its_sources_and_its_words(line):
    found = rule(re.search(r"`([A-Z]{2}-\d+)`", line)[1])
    assert set(KEYS.findall(line)) <= {source.key for source in found.sources}
    words = re.sub(r"`[A-Z]{2}-\d+`|\[(documented|observed|uncertain)\]|\*Src:\*", "", KEYS.sub("", line))
    assert not Counter(re.findall(r"\w+", words)) - Counter(re.findall(r"\w+", found.text))


@pytest.mark.parametrize(
    ("rule_id", "status", "keys"),
    [
        ("GR-16", "documented + uncertain", "K-CREATEGRANT K-GRANTS"),
        ("PG-21", "observed + uncertain", "GH-RES K-POLICY"),
        ("PG-30", "documented", "IAM-PRINCIPAL K-POLICY"),
        ("PG-39", "documented + observed", "K-POLICY GH-CDK-573"),
        ("DA-20", "documented", "IAM-EVAL-DENYALLOW IAM-PRINCIPAL IAM-BOUNDARY"),
        ("DA-21", "documented + observed", "IAM-EVAL-DENYALLOW IAM-PRINCIPAL IAM-BOUNDARY OSS-MOUNTPOINT"),
        ("GR-61", "documented", "K-PERMS K-GRANTDEL ORG-RCP"),
        ("CK-13", "documented", "K-COND K-PERMS SAR-KMS"),
        ("CK-23", "documented", "API-GetKeyPolicy"),
        ("CK-33", "documented + uncertain", "K-COND K-PERMS SAR-KMS"),
        ("CK-78", "documented", "IAM-GLOBAL K-CONDAWS IAM-FAS"),
        ("OP-8", "documented", "BOTO K-PERMS K-GRANTS K-KEYTYPES"),
        ("OP-20", "documented", "BOTO"),
        ("ST-1", "documented", "K-STATE"),
        ("ST-2", "uncertain", ""),
        ("DS-2", "documented + observed", "S3-KMS OSS-MOUNTPOINT"),
        ("EM-3", "documented + observed", "IAM-TROUBLE OSS-MOUNTPOINT GH-RBP"),
        ("EM-24", "observed", "LS-SNAP"),
        ("EM-32", "documented", "API-PutKeyPolicy"),
        ("MC-1", "documented", "IAM-EVAL-DENYALLOW K-DEFAULT K-EVAL"),
        ("PE-8", "documented + observed", "K-GRANTS K-ABAC K-IAM-BEST OSS-HACKING OSS-PMAPPER OSS-PERIM IAM-PRINCIPAL"),
        ("UN-1", "uncertain", "K-EVAL IAM-EVAL-DENYALLOW"),
        ("MO-1", "observed", "OSS-MOTO"),
    ],
)  # fmt: skip
def test_status_and_sources_come_from_where_the_book_states_them(rule_id, status, keys):
    found = rule(rule_id)
    assert (found.status, " ".join(source.key for source in found.sources)) == (status, keys)


def test_rule_reads_as_a_person_would_read_it():
    found = rule("CO-5")
    assert found.section == "2.1 Truth rules"
    assert found.text == (
        "`IfExists` may follow any operator except `Null`; an absent key makes it true. On a negated operator it "
        "changes nothing for an absent key (already true), so Deny + `StringNotEqualsIfExists` still fires."
    )
    assert found.example is None
    url = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"
    assert found.sources == (Source("IAM-COND", "IAM JSON policy elements: Condition operators", url),)


def test_example_stands_apart_from_the_text():
    found = rule("PG-10")
    assert found.example == "`KMS:decrypt` ≡ `kms:Decrypt`."
    assert "KMS:decrypt" not in found.text


def test_example_under_a_table_belongs_to_the_rows_it_names():
    assert rule("DA-20").example == rule("DA-21").example
    assert "Alice decrypts, R does not" in rule("DA-20").example
    assert rule("DA-22").example is None


def test_row_reads_with_its_headings():
    assert rule("CK-4").text == (
        "Key: `kms:DataKeyPairSpec`; Type: S; Operations: GenerateDataKeyPair, …WithoutPlaintext; "
        "Value source / absence: `KeyPairSpec` parameter"
    )


def test_table_and_text_that_follow_a_rule_are_part_of_it():
    assert "Key: HMAC; Crypto operations: GenerateMac, VerifyMac" in rule("GR-5").text
    assert "The botocore enum has these 19 values." in rule("GR-5").text
    assert "Operations: GetPublicKey; Enabled: ✔; Disabled: ✔" in rule("ST-1").text
    assert "15 KMSInvalidState `… is updating.`" in rule("ST-1").text
    assert "User: <caller ARN> is not authorized to perform: kms:<Action>" in rule("EM-1").text


@pytest.mark.parametrize(
    ("asked", "hint"), [("GR-161", "GR-16"), ("gr-16", "GR-16"), ("KP-11", "KP-1"), ("nonsense", "ids look like GR-16")]
)
def test_unknown_rule_is_refused_with_the_closest_ids(asked, hint):
    with pytest.raises(InputError) as caught:
        rule(asked)
    assert str(caught.value).startswith(f"unknown rule `{asked}` (")
    assert hint in caught.value.hint


def test_rules_cannot_be_changed():
    with pytest.raises(TypeError):
        all_rules()["KP-1"] = rule("KP-2")
    with pytest.raises(FrozenInstanceError):
        rule("KP-1").text = "changed"


def test_import_reads_no_file_and_no_other_part_of_the_project():
    code = (
        "import json, pathlib, sys\n"
        "def refuse(*_, **__): raise AssertionError('read at import')\n"
        "pathlib.Path.read_text = pathlib.Path.open = refuse\n"
        "import kmssim.rules\n"
        "print(json.dumps(sorted(name for name in sys.modules if name.startswith('kmssim'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["kmssim", "kmssim.errors", "kmssim.rules"]


def test_sample_parses():
    rules = parse_book(SAMPLE)
    assert rules["AA-2"]["text"] == "Thing: a `x|y`"
    assert rules["AA-2"]["status"] == "observed"
    assert rules["AA-1"]["sources"] == [{"key": "K-X", "title": "Page", "url": "https://example.com/x"}]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("`AA-2`", "`AA-1`", "rule AA-1 is defined twice"),
        ("see AA-2", "see AA-3", "rules are referred to but not defined: AA-3"),
        ("Status **[observed]**; ", "", "rule AA-2 has no status"),
        ("First, see AA-2. ", "", "rule AA-1 has no text"),
        ("*Src:* [K-X].\n\n|", "*Src:* [K-Y].\n\n|", "rule AA-1 names a source that the source index lacks: K-Y"),
        ("| `AA-2` |", "| `AA-2` | one more |", "a table row has 3 cells, its heading 2"),
    ],
)
def test_a_book_that_breaks_its_own_form_is_refused(old, new, message):
    assert old in SAMPLE
    with pytest.raises(InputError, match=re.escape(message)):
        parse_book(SAMPLE.replace(old, new))
