"""What shows each rule of the rule book, and the page that says so, RULES.md.

A case shows the rules that it lists and the open questions that its answer rests on. A test shows a rule that it cites
next to an assertion. That is:

- in the docstring of a test function that asserts, where "PG-30 to PG-40" stands for all of them;
- as a text of its own ("PG-10", "DA-1 OR-1 EM-8") in an assertion, in the decorators of such a function, or in a table of
  the module that the function or its decorators name;
- in a comment on an assertion, or on the line above one.

Any other mention is one in passing: the docstring of a module, a comment elsewhere, text within a longer text.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from kmssim.rules import Rule, all_rules

TESTS = Path(__file__).resolve().parent.parent
PAGE = TESTS / "RULES.md"
NO_DECISION = Path(__file__).with_name("no_decision.json")

# Here an id is a text like any other, and the rule behind it is not what the test is about.
ABOUT_OTHER_THINGS = (
    "test_cli.py",
    "labs/test_checking.py",
    "labs/test_lesson.py",
    "labs/test_verify.py",
    "test_labs.py",
    "test_rule_coverage.py",
    "test_rules.py",
    "test_scenario.py::test_an_expectation_tells_open_from_stated",
    "test_scenario.py::test_requests_are_found_by_name",
)

FAMILIES = "PG CO KP DA XA GR EC CK OP ST TP MK SV OR DS EM CH MC PE UN MO"
_ID = rf"(?<![\w-])(?:{FAMILIES.replace(' ', '|')})-\d+(?![\w-])"
_CITED = re.compile(rf"({_ID})(?: to ({_ID}))?")
_ONLY_IDS = re.compile(rf"{_ID}(?:[ ,]+{_ID})*")
_SENTENCE_ENDS = re.compile(r"(?<=\.) (?=[A-Z`\"])")
_CODE = re.compile(r"(`[^`]*`)")
_WIDTH = 100


class Shown(NamedTuple):
    """How often each rule is shown, by file: rule id → file → number of cases, or of test functions."""

    cases: Mapping[str, Counter[str]]
    tests: Mapping[str, Counter[str]]

    def __contains__(self, rule_id: object) -> bool:
        return rule_id in self.cases or rule_id in self.tests


def read_shown(tests: Path = TESTS) -> Shown:
    """Read all cases and all tests below a folder."""
    cases, functions = defaultdict(Counter), defaultdict(Counter)
    for path in sorted((tests / "cases").rglob("*.json")):
        for shown in of_cases(json.loads(path.read_text(encoding="utf-8"))):
            for rule_id in shown:
                cases[rule_id][path.relative_to(tests / "cases").as_posix()] += 1
    for path in sorted(tests.rglob("test_*.py")):
        name = path.relative_to(tests).as_posix()
        for function, shown in of_tests(path.read_text(encoding="utf-8")):
            if not {name, f"{name}::{function}"} & set(ABOUT_OTHER_THINGS):
                for rule_id in shown:
                    functions[rule_id][name] += 1
    return Shown(dict(cases), dict(functions))


def read_no_decision() -> dict[str, tuple[str, str]]:
    """Rule id → kind and reason, of the rules that no case and no test can show."""
    kinds = json.loads(NO_DECISION.read_text(encoding="utf-8"))
    return {rule_id: (kind, reason) for kind, listed in kinds.items() for rule_id, reason in listed.items()}


def of_cases(document: Mapping) -> Iterator[set[str]]:
    """The rules that each case of a file shows."""
    for case in (case for kind in ("requests", "refused", "accepted") for case in document.get(kind, [])):
        yield {*case.get("rules", []), *case.get("expect", {}).get("uncertain", [])}


def of_tests(source: str) -> Iterator[tuple[str, set[str]]]:
    """The test functions of a module that assert, and the rules that each shows."""
    tree = ast.parse(source)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    values = dict(_assigned(tree))
    comments = dict(_comments(source))
    for name, function in functions.items():
        if name.startswith("test_") and _asserts(function, functions):
            shown = set(_cited(ast.get_docstring(function) or ""))
            for assertion in _assertions(function):
                shown |= set(_texts(assertion))
                lines = range(assertion.lineno - 1, assertion.end_lineno + 1)
                shown |= {rule_id for line in lines for rule_id in _cited(comments.get(line, ""))}
            for part in (*function.decorator_list, *_tables([function], values)):
                shown |= set(_texts(part))
            yield name, shown


def _cited(text: str) -> Iterator[str]:
    """The ids in a text; a range stands for its ends and for every rule of the book between them."""
    for first, last in _CITED.findall(text):
        yield from filter(None, (first, last))
        if last[:2] == first[:2]:
            between = range(int(first[3:]) + 1, int(last[3:]))
            yield from (rule_id for rule_id in all_rules() if rule_id[:2] == first[:2] and int(rule_id[3:]) in between)


def _texts(node: ast.AST) -> Iterator[str]:
    """The ids in texts that are nothing but ids."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and _ONLY_IDS.fullmatch(part.value):
            yield from re.findall(_ID, part.value)


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The module's own names and their values."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def _tables(parts: Iterable[ast.AST], values: Mapping[str, ast.expr]) -> list[ast.expr]:
    """The values of the module's names that these parts name, and of those that such values name."""
    found, waiting = {}, list(parts)
    while waiting:
        for name in _names(waiting.pop()) & values.keys() - found.keys():
            found[name] = values[name]
            waiting.append(values[name])
    return list(found.values())


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _assertions(function: ast.FunctionDef) -> list[ast.stmt]:
    """What a function asserts: `assert`, and `with pytest.raises`, of which the first line counts."""
    found = []
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            found.append(node)
        elif isinstance(node, ast.With) and any("raises" in ast.unparse(item.context_expr) for item in node.items):
            found.append(node.items[0].context_expr)
    return found


def _asserts(function: ast.FunctionDef, functions: Mapping[str, ast.FunctionDef]) -> bool:
    """Whether a function asserts, itself or through a function of its module."""
    called = _names(function) & functions.keys() - {function.name}
    return bool(_assertions(function)) or any(_assertions(functions[name]) for name in called)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """The comments by line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def page(rules: Mapping[str, Rule], shown: Shown, no_decision: Mapping[str, tuple[str, str]]) -> str:
    """The text of RULES.md."""
    return "\n".join([
        "# The rule book, covered",
        "",
        "Which cases and which tests show each rule of [the rule book](../kmssim/rules/kms-authorization.md). Written by",
        "`python -m tests.rule_coverage`; what counts stands in [table.py](rule_coverage/table.py).",
        "",
        *_totals(rules, shown, no_decision),
        "",
        "## Rules without a case and without a test",
        "",
        "From `rule_coverage/no_decision.json`. A rule that a case or a test shows has no place there.",
        "",
        "| rule | kind | reason |",
        "| --- | --- | --- |",
        *(f"| {rule_id} | {' | '.join(no_decision[rule_id])} |" for rule_id in rules if rule_id in no_decision),
        "",
        "## All rules",
        "",
        "How many cases of a file in `cases/` list the rule, and how many test functions of a file cite it.",
        "",
        "| rule | status | says | cases | tests |",
        "| --- | --- | --- | --- | --- |",
        *(_row(rule, shown) for rule in rules.values()),
        "",
    ])  # fmt: skip


def _totals(rules: Mapping[str, Rule], shown: Shown, no_decision: Mapping[str, tuple[str, str]]) -> list[str]:
    families = Counter(rule_id[:2] for rule_id in rules)
    columns = {
        "rules": set(rules),
        "about a decision": rules.keys() - no_decision.keys(),
        "shown by cases": rules.keys() & shown.cases.keys(),
        "by tests only": rules.keys() & shown.tests.keys() - shown.cases.keys(),
        "by nothing yet": {rule_id for rule_id in rules if rule_id not in shown and rule_id not in no_decision},
        **{
            kind: {rule_id for rule_id, (its_kind, _) in no_decision.items() if its_kind == kind}
            for kind in sorted({kind for kind, _ in no_decision.values()})
        },
    }
    counted = [Counter(rule_id[:2] for rule_id in column) for column in columns.values()]
    return [
        f"| family | {' | '.join(columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
        f"| **all** | {' | '.join(f'**{len(column)}**' for column in columns.values())} |",
        *(f"| {family} | {' | '.join(str(count[family]) for count in counted)} |" for family in families),
    ]


def _row(rule: Rule, shown: Shown) -> str:
    cells = (rule.id, rule.status, in_few_words(rule.text), _files(shown.cases, rule.id), _files(shown.tests, rule.id))
    return f"| {' | '.join(cells)} |"


def in_few_words(text: str) -> str:
    """The first sentence, cut, as a cell of a Markdown table."""
    sentence = _SENTENCE_ENDS.split(" ".join(text.split()))[0].rstrip(".")
    if len(sentence) > _WIDTH:
        sentence = sentence[:_WIDTH].rpartition(" ")[0].rstrip(",;:(= ")
        sentence += "` …" if sentence.count("`") % 2 else " …"
    plain_and_code = _CODE.split(sentence)
    plain_and_code[::2] = [re.sub(r"([*<])", r"\\\1", plain) for plain in plain_and_code[::2]]
    return "".join(plain_and_code).replace("|", r"\|")


def _files(counted: Mapping[str, Counter[str]], rule_id: str) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counted.get(rule_id, {}).items()))
