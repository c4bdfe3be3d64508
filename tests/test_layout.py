"""The order of the modules and the walls between the rooms, kept by reading the source.

Whoever adds a module puts it into ORDER where it belongs: after everything it imports, before what imports it.
A package's own name stands after the modules that its `__init__` may re-export.
"""

from __future__ import annotations

import ast
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ORDER = (
    "kmssim",  # the version; what else it offers it fetches when asked
    "kmssim.errors",
    "kmssim.markup",
    # the pure room: documents and the world they speak of
    "kmssim.evaluator.unlocked",
    "kmssim.evaluator.patterns",
    "kmssim.evaluator.questions",
    "kmssim.evaluator.conditions",
    "kmssim.evaluator.principals",
    "kmssim.evaluator.documents",
    "kmssim.evaluator.statements",
    "kmssim.evaluator.policy",
    "kmssim.evaluator.request",
    "kmssim.evaluator.persistent",
    "kmssim.evaluator.grant_index",
    "kmssim.evaluator.world",
    "kmssim.evaluator.decision",
    # from a call to the requests that it needs
    "kmssim.evaluator.operations_table",
    "kmssim.evaluator.operations",
    "kmssim.evaluator.caller",
    "kmssim.evaluator.keys",
    "kmssim.evaluator.permissions",
    "kmssim.evaluator.context",
    "kmssim.evaluator.context_kms",
    "kmssim.evaluator.forward",
    # from a request to the decision
    "kmssim.evaluator.match",
    "kmssim.evaluator.trust",
    "kmssim.evaluator.values",
    "kmssim.evaluator.views",
    "kmssim.evaluator.asked",
    "kmssim.evaluator.grants",
    "kmssim.evaluator.layers",
    "kmssim.evaluator.facts",
    "kmssim.evaluator.alike",
    "kmssim.evaluator.open_statements",
    "kmssim.evaluator.recall",
    "kmssim.evaluator.combine",
    "kmssim.evaluator.domain",
    "kmssim.evaluator.assume",
    # what the call ends with
    "kmssim.evaluator.authorized",
    "kmssim.evaluator.states",
    "kmssim.evaluator.messages",
    "kmssim.evaluator.secret_policy",
    "kmssim.evaluator.known",
    "kmssim.evaluator.outcome_admin",
    "kmssim.evaluator.outcome_grants",
    "kmssim.evaluator.outcome_import",
    "kmssim.evaluator.outcome_lists",
    "kmssim.evaluator.outcome",
    "kmssim.evaluator.validation",
    "kmssim.evaluator.pdp",
    "kmssim.evaluator",
    # the edges: the rule book, the other decision authority, the scenario file
    "kmssim.rules.markdown",
    "kmssim.rules.parse",
    "kmssim.rules",
    "kmssim.rules.__main__",
    "kmssim.strict_json",
    "kmssim.positions",
    "kmssim.authority.policy",
    "kmssim.authority.exchange",
    "kmssim.authority.engines",
    "kmssim.authority.server",
    "kmssim.authority.rego",
    "kmssim.authority.conformance",
    "kmssim.authority",
    "kmssim.scenario_file",
    "kmssim.scenario_file.models",
    "kmssim.scenario_file.places",
    "kmssim.scenario_file.policies",
    "kmssim.scenario_file.keys",
    "kmssim.scenario_file.accounts",
    "kmssim.scenario_file.callers",
    "kmssim.scenario_file.problems",
    "kmssim.scenario_file.policy_cases",
    "kmssim.scenario_file.references",
    "kmssim.scenario_file.calls",
    "kmssim.scenario_file.world",
    "kmssim.scenario",
    "kmssim.scenario_file.written_calls",
    "kmssim.scenario_file.document",
    "kmssim.running_world",
    # the room that moto lives in: first nothing leaves the machine
    "kmssim.sandbox",
    "kmssim.sandbox.collector",
    "kmssim.sandbox.seams",
    "kmssim.sandbox.backends",
    "kmssim.sandbox.turns",
    "kmssim.sandbox.environment",
    "kmssim.sandbox.sockets",
    "kmssim.sandbox.credentials",
    "kmssim.sandbox.transport",
    "kmssim.sandbox.isolation",
    # then what stands on the wire, and who calls
    "kmssim.sandbox.declared",
    "kmssim.sandbox.model_loaders",
    "kmssim.sandbox.service_models",
    "kmssim.sandbox.moto_request",
    "kmssim.sandbox.answers",
    "kmssim.sandbox.reader",
    "kmssim.sandbox.contract",
    "kmssim.sandbox.wire_query",
    "kmssim.sandbox.wire_s3",
    "kmssim.sandbox.wire_shapes",
    "kmssim.sandbox.wire",
    "kmssim.sandbox.clock",
    "kmssim.sandbox.ciphertext",
    "kmssim.sandbox.asymmetric",
    "kmssim.sandbox.material",
    "kmssim.sandbox.wire_bytes",
    "kmssim.sandbox.kms_call",
    "kmssim.sandbox.xml_answers",
    "kmssim.sandbox.identity",
    "kmssim.sandbox.stored_identities",
    "kmssim.sandbox.access_keys",
    "kmssim.sandbox.durations",
    "kmssim.sandbox.session_parameters",
    "kmssim.sandbox.sessions",
    "kmssim.sandbox.role_trust",
    "kmssim.sandbox.faults",
    "kmssim.sandbox.gate",
    # then a world, written and read back
    "kmssim.sandbox.memory",
    "kmssim.sandbox.repairs",
    "kmssim.sandbox.stored_grants",
    "kmssim.sandbox.alias_dates",
    "kmssim.sandbox.make_key",
    "kmssim.sandbox.kept_parts",
    "kmssim.sandbox.read_policy",
    "kmssim.sandbox.seed_organization",
    "kmssim.sandbox.seed_identities",
    "kmssim.sandbox.seed_keys",
    "kmssim.sandbox.seed_resources",
    "kmssim.sandbox.seed",
    "kmssim.sandbox.read_organization",
    "kmssim.sandbox.read_identities",
    "kmssim.sandbox.imported",
    "kmssim.sandbox.read_keys",
    "kmssim.sandbox.read_resources",
    "kmssim.sandbox.read",
    # and all of it together
    "kmssim.sandbox.served",
    "kmssim.sandbox.serve_iam",
    "kmssim.sandbox.serve_organizations",
    "kmssim.sandbox.wrapping",
    "kmssim.sandbox.key_metadata",
    "kmssim.sandbox.key_usage",
    "kmssim.sandbox.serve_keys",
    "kmssim.sandbox.serve_rotation",
    "kmssim.sandbox.key_use",
    "kmssim.sandbox.serve_crypto",
    "kmssim.sandbox.serve_import",
    "kmssim.sandbox.serve_signatures",
    "kmssim.sandbox.paging",
    "kmssim.sandbox.serve_grants",
    "kmssim.sandbox.serve_lists",
    "kmssim.sandbox.complete",
    "kmssim.sandbox.decision_log",
    "kmssim.sandbox.outer_mock",
    "kmssim.sandbox.managed_keys",
    "kmssim.sandbox.front",
    "kmssim.sandbox.services_s3",
    "kmssim.sandbox.services_secrets",
    "kmssim.sandbox.services",
    "kmssim.sandbox.enforce",
    "kmssim.sandbox.sign_in",
    "kmssim.sandbox.sandbox",
    "kmssim.sandbox.observed",
    "kmssim.sandbox.scenario_bytes",
    "kmssim.sandbox.parameters",
    "kmssim.sandbox.server",
    "kmssim.sandbox.bench",
    # what is made of decisions
    "kmssim.wording",
    "kmssim.condition_words",
    "kmssim.because",
    "kmssim.explain",
    "kmssim.expectations",
    "kmssim.access",
    "kmssim.circumstances",
    "kmssim.sweep",
    "kmssim.sweep.coverage",
    "kmssim.sweep.masks",
    "kmssim.sweep.sweep",
    "kmssim.sweep.organization",
    "kmssim.sweep.admission",
    "kmssim.sweep.source",
    "kmssim.sweep.rows",
    "kmssim.sweep.ways",
    "kmssim.sweep.parts",
    "kmssim.sweep.engines",
    "kmssim.sweep.on_dask",
    "kmssim.sweep.large",
    "kmssim.sweep.report",
    "kmssim.compare",
    # a world from files that other tools wrote
    "kmssim.exports",
    "kmssim.exports.notes",
    "kmssim.exports.parts",
    "kmssim.exports.yaml_text",
    "kmssim.exports.sources",
    "kmssim.exports.draft",
    "kmssim.exports.identities",
    "kmssim.exports.keys",
    "kmssim.exports.organizations",
    "kmssim.exports.declared",
    "kmssim.exports.template_values",
    "kmssim.exports.template",
    "kmssim.exports.plan_values",
    "kmssim.exports.terraform",
    "kmssim.exports.gather",
    "kmssim.exports.told",
    "kmssim.labs.fields",
    "kmssim.labs.promises",
    "kmssim.labs.metadata",
    "kmssim.labs.folder",
    "kmssim.labs",
    "kmssim.render",
    "kmssim.tables",
    "kmssim.pages",
    "kmssim.pages.svg",
    "kmssim.pages.parts",
    "kmssim.pages.decision_data",
    "kmssim.pages.drawing",
    "kmssim.pages.decision_page",
    "kmssim.pages.audit_page",
    "kmssim.pages.live",
    "kmssim.pages.lesson",
    "kmssim.pages.model",
    "kmssim.pages.task",
    "kmssim.pages.sections",
    "kmssim.pages.curriculum",
    "kmssim.pages.build",
    "kmssim.pages.__main__",
    "kmssim.progress",
    "kmssim.audit",
    "kmssim.audit.finding",
    "kmssim.audit.wording",
    "kmssim.audit.condition_keys",
    "kmssim.audit.beside",
    "kmssim.audit.attempts",
    "kmssim.audit.phrases",
    "kmssim.audit.spots",
    "kmssim.audit.scene",
    "kmssim.audit.exposure",
    "kmssim.audit.grants",
    "kmssim.audit.escalation",
    "kmssim.audit.lock_out",
    "kmssim.audit.conditions",
    "kmssim.audit.dead",
    "kmssim.audit.security_hub",
    "kmssim.audit.checks",
    "kmssim.audit.lines",
    "kmssim.audit.key_policy_file",
    "kmssim.audit.suppressions",
    "kmssim.audit.run",
    "kmssim.audit.witnesses",
    "kmssim.audit.report",
    "kmssim.audit.sarif",
    "kmssim.explain_error",
    "kmssim.explain_error.form",
    "kmssim.explain_error.wrapping",
    "kmssim.explain_error.errors",
    "kmssim.explain_error.sentence",
    "kmssim.explain_error.words",
    "kmssim.explain_error.words_of_errors",
    "kmssim.explain_error.reading",
    "kmssim.explain_error.rebuilt",
    "kmssim.explain_error.in_world",
    "kmssim.explain_error.report",
    "kmssim.diff",
    "kmssim.diff.keys",
    "kmssim.diff.circumstances",
    "kmssim.diff.unstated",
    "kmssim.diff.changes",
    "kmssim.diff.when",
    "kmssim.diff.rows",
    "kmssim.diff.report",
    "kmssim.diff.sides",
    "kmssim.reach",
    "kmssim.reach.unseen",
    "kmssim.reach.paths",
    "kmssim.reach.direct",
    "kmssim.reach.iam",
    "kmssim.reach.changes",
    "kmssim.reach.situation",
    "kmssim.reach.roles",
    "kmssim.reach.becoming",
    "kmssim.reach.edits",
    "kmssim.reach.arming",
    "kmssim.reach.on_key",
    "kmssim.reach.away",
    "kmssim.reach.search",
    "kmssim.reach.asking",
    "kmssim.reach.wording",
    "kmssim.reach.everywhere",
    "kmssim.reach.report",
    "kmssim.reach.picture",
    "kmssim.advise.lens",
    "kmssim.advise.proposal",
    "kmssim.advise.homes",
    "kmssim.advise.edits",
    "kmssim.advise.statements",
    "kmssim.advise.widening",
    "kmssim.advise.supplying",
    "kmssim.advise.calls",
    "kmssim.advise.granting",
    "kmssim.advise.opening",
    "kmssim.advise.closing",
    "kmssim.advise.search",
    "kmssim.advise.effects",
    "kmssim.advise.reasons",
    "kmssim.advise.advice",
    "kmssim.advise.wording",
    "kmssim.advise.commands",
    "kmssim.advise.render",
    "kmssim.advise.apply",
    "kmssim.advise.running",
    "kmssim.advise",
    "kmssim.authority_report",
    "kmssim.starting_world",
    # labs: an answer, its checks, what a failure teaches
    "kmssim.labs.texts",
    "kmssim.labs.variants",
    "kmssim.labs.outcomes",
    "kmssim.labs.asking",
    "kmssim.labs.collateral",
    "kmssim.labs.reaching",
    "kmssim.labs.given",
    "kmssim.labs.limits",
    "kmssim.labs.apart",
    "kmssim.labs.code_checks",
    "kmssim.labs.simulating",
    "kmssim.labs.code_child",
    "kmssim.labs.warm_server",
    "kmssim.labs.checking",
    "kmssim.labs.lesson",
    "kmssim.labs.slips",
    "kmssim.labs.beliefs",
    "kmssim.labs.telling",
    "kmssim.labs.report_json",
    # the lab itself, the learner's folder, the class
    "kmssim.labs.mutants",
    "kmssim.labs.seeds",
    "kmssim.labs.verify",
    "kmssim.labs.progress_file",
    "kmssim.labs.workspace",
    "kmssim.pages.learner",
    "kmssim.labs.testing",
    "kmssim.labs.showing",
    "kmssim.labs.predicting",
    "kmssim.labs.watching",
    "kmssim.labs.doctor",
    "kmssim.labs.new",
    "kmssim.labs.packing",
    "kmssim.labs.grading",
    "kmssim.profiles",
    "kmssim.speech",
    "kmssim.control",
    "kmssim.serve",
    "kmssim.pytest_plugin",
    "kmssim.verbs",
    "kmssim.verbs.options",
    "kmssim.verbs.decide",
    "kmssim.verbs.compare",
    "kmssim.verbs.explain_error",
    "kmssim.verbs.diff",
    "kmssim.verbs.reach_options",
    "kmssim.verbs.who_can",
    "kmssim.verbs.can",
    "kmssim.verbs.sweep",
    "kmssim.verbs.advise",
    "kmssim.verbs.import_",
    "kmssim.verbs.lab_learn",
    "kmssim.verbs.lab_help",
    "kmssim.verbs.lab_check",
    "kmssim.verbs.lab_author",
    "kmssim.verbs.lab_teach",
    "kmssim.verbs.lab",
    "kmssim.verbs.serve",
    "kmssim.verbs.seed",
    "kmssim.verbs.authority",
    "kmssim.verbs.rule",
    "kmssim.verbs.schema",
    "kmssim.verbs.audit",
    "kmssim.verbs.pages",
    "kmssim.cli",
    "kmssim.__main__",
)

AWS_MOCK = {"moto", "boto3", "botocore", "s3transfer"}
IMPURE = {"io", "logging", "os", "pathlib", "random", "secrets", "shutil", "socket", "subprocess", "tempfile", "time"}
IMPURE_CALLS = {"open", "print", "input", "now", "utcnow", "today"}
EMPTY_NAMES = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}
LONGEST = 400
LONGEST_MEDIAN_IN_EVALUATOR = 250


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


SOURCES = {name_of(path): path for path in sorted((ROOT / "kmssim").rglob("*.py"))}
EVALUATOR = [name for name in SOURCES if name.startswith("kmssim.evaluator")]

each_module = pytest.mark.parametrize("module", SOURCES)
each_evaluator_module = pytest.mark.parametrize("module", EVALUATOR)


def tree_of(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text(encoding="utf-8"))


def imports_of(module: str) -> Iterator[str]:
    """Every module that is imported anywhere in `module`, inside functions and `if TYPE_CHECKING` too."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} line {node.lineno}: write the whole name in place of a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in SOURCES else node.module


def roots_of(module: str) -> set[str]:
    return {name.partition(".")[0] for name in imports_of(module)}


def test_the_order_names_no_module_twice():
    assert len(set(ORDER)) == len(ORDER)


@each_module
def test_a_module_has_its_place_in_the_order(module):
    assert module in ORDER, f"put {module} into ORDER in tests/test_layout.py"


@each_module
def test_a_module_imports_only_what_stands_before_it(module):
    before = ORDER[: ORDER.index(module)] if module in ORDER else ORDER
    later = {name for name in imports_of(module) if name.partition(".")[0] == "kmssim" and name not in before}
    assert not later, f"{module} imports {sorted(later)}, which does not stand before it in ORDER"


@each_evaluator_module
def test_the_evaluator_imports_the_standard_library_and_itself(module):
    ours = {name for name in imports_of(module) if name.partition(".")[0] == "kmssim"}
    assert roots_of(module) <= sys.stdlib_module_names | {"kmssim"}
    assert all(name == "kmssim.errors" or name.startswith("kmssim.evaluator") for name in ours), sorted(ours)


@each_evaluator_module
def test_the_evaluator_reads_no_clock_no_file_and_no_environment(module):
    calls = [node.func for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call)]
    called = {call.id if isinstance(call, ast.Name) else getattr(call, "attr", "") for call in calls}
    assert not roots_of(module) & IMPURE
    assert not called & IMPURE_CALLS


@each_module
def test_only_the_sandbox_imports_moto_and_boto3(module):
    assert module.startswith("kmssim.sandbox") or not roots_of(module) & AWS_MOCK


@each_module
def test_only_the_scenario_file_is_read_with_pydantic(module):
    assert module.startswith("kmssim.scenario") or not roots_of(module) & {"pydantic", "pydantic_core"}


@each_module
def test_a_module_is_named_after_what_it_does(module):
    assert not set(module.split(".")[-1].strip("_").split("_")) & EMPTY_NAMES


def lines_of(module: str) -> int:
    return len(SOURCES[module].read_text(encoding="utf-8").splitlines())


@each_module
def test_a_module_is_short(module):
    assert lines_of(module) <= LONGEST


def test_the_median_module_of_the_evaluator_is_read_in_one_sitting():
    sizes = [lines_of(name) for name in EVALUATOR if SOURCES[name].name != "__init__.py"]
    assert statistics.median(sizes) <= LONGEST_MEDIAN_IN_EVALUATOR


def loaded_by(code: str, tmp_path: Path) -> set[str]:
    """The third-party packages that a fresh Python has loaded after `code`."""
    script = f"import sys\n{code}\nprint('loaded', *{{name.partition('.')[0] for name in sys.modules}})"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.rpartition("loaded ")[2].split()) - sys.stdlib_module_names


RUN_CLI = """
import contextlib, io, runpy
sys.argv = ["kmssim", *{arguments}]
with contextlib.redirect_stdout(io.StringIO()) as said:
    try:
        runpy.run_module("kmssim", run_name="__main__")
    except SystemExit as end:
        assert end.code in (0, None), end.code
assert "Usage:" in said.getvalue(), "no help was printed"
"""


def test_the_evaluator_loads_nothing_but_the_standard_library(tmp_path):
    at_start = loaded_by("", tmp_path)  # what this environment's own site hooks bring along
    assert loaded_by("import kmssim.evaluator.pdp", tmp_path) - at_start == {"kmssim"}


@pytest.mark.parametrize("arguments", [["--help"], ["decide", "--help"]], ids=" ".join)
def test_help_loads_no_runtime(arguments, tmp_path):
    loaded = loaded_by(RUN_CLI.format(arguments=arguments), tmp_path)
    assert "kmssim" in loaded
    assert not loaded & (AWS_MOCK | {"pydantic"})


# Written in two parts each, so that this file does not hold what it forbids.
FORBIDDEN = ("../" + "shared", "/" + "work/", "pypi" + ".org", "python" + "hosted")
NOT_OURS = {".hypothesis", ".git", ".venv", ".oldest", "build", "dist", "htmlcov", "__pycache__"}


def files_of_the_checkout() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS and not name.endswith(("_cache", ".egg-info"))]
        yield from (Path(folder, name) for name in names if name != ".coverage")


def test_no_file_refers_to_anything_outside_the_checkout():
    texts = {path: path.read_text(encoding="utf-8", errors="ignore") for path in files_of_the_checkout()}
    assert Path(__file__).resolve() in texts
    found = [f"{path.relative_to(ROOT)}: {word}" for path, text in texts.items() for word in FORBIDDEN if word in text]
    assert not found
