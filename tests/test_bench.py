"""The machinery of `python -m tests.bench`: floors, parts, exit codes, and what is said of peers."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from bench import __main__ as command
from bench.decisions import measure, measure_calls, measure_short
from bench.figures import Result, UnmeasurableError, figure, lines_of
from bench.floors import FILE, Floor, FloorsError, broken, read_floors
from bench.other_programs import PEERS, Peer, Reading, ask, folder_of_peers, install, workload_of
from bench.parts import PARTS, measured
from bench.peers import COMPARED, measure_peers, why_they_differ
from bench.workload import calls, documents, world

from kmssim.evaluator.pdp import Authorizer

FLOORS = (Floor("decisions", "ruling", "most", 20.0), Floor("peers", "cedarpy: a / our ruling", "least", 10.0))


def _result(name: str, ratio: float) -> Result:
    return Result({name: {"microseconds": 1.0, "ratio": ratio}})


# floors


def test_the_floors_that_are_shipped_are_of_parts_that_there_are():
    floors = read_floors(FILE.read_text(encoding="utf-8"))
    assert floors
    assert {floor.part for floor in floors} <= set(PARTS)


def test_floors_are_read_with_their_part_figure_kind_and_ratio():
    assert read_floors('[decisions]\n"ruling" = { most = 20 }\n[peers]\n"x" = { least = 1.5 }\n') == (
        Floor("decisions", "ruling", "most", 20.0),
        Floor("peers", "x", "least", 1.5),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[decisions", "floors: "),
        ('[decisions]\n"ruling" = 20', "floors: [decisions] `ruling` needs `most` or `least`"),
        ('[decisions]\n"ruling" = { above = 20 }', "floors: [decisions] `ruling` needs `most` or `least`"),
        ('[decisions]\n"ruling" = { most = 20, least = 1 }', "floors: [decisions] `ruling` needs `most` or `least`"),
        ('[decisions]\n"ruling" = { most = "20" }', "floors: [decisions] `ruling`: `20` is no number"),
        ('[decisions]\n"ruling" = { most = true }', "floors: [decisions] `ruling`: `True` is no number"),
    ],
)
def test_a_floor_that_says_nothing_is_refused(text, said):
    with pytest.raises(FloorsError) as refused:
        read_floors(text)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("part", "name", "ratio", "said"),
    [
        ("decisions", "ruling", 20.0, []),
        ("decisions", "ruling", 20.1, ["decisions: `ruling` is 20.1 x, its floor is at most 20"]),
        ("peers", "cedarpy: a / our ruling", 10.0, []),
        (
            "peers",
            "cedarpy: a / our ruling",
            9.9,
            ["peers: `cedarpy: a / our ruling` is 9.9 x, its floor is at least 10"],
        ),
    ],
)
def test_a_figure_that_is_worse_than_its_floor_is_named(part, name, ratio, said):
    assert list(broken(FLOORS, part, _result(name, ratio))) == said


def test_a_floor_whose_figure_is_gone_is_broken_but_not_in_the_short_form():
    renamed = _result("rulings", 1.0)
    assert list(broken(FLOORS, "decisions", renamed)) == [
        "decisions: `ruling` was not measured, its floor is at most 20"
    ]
    assert list(broken(FLOORS, "decisions", renamed, short=True)) == []


def test_a_floor_of_a_peer_that_is_not_there_does_not_count():
    assert list(broken(FLOORS, "peers", Result({}, unmeasured={"cedarpy": "not installed"}))) == []
    assert list(broken(FLOORS, "peers", Result({}, unmeasured={"PMapper": "not installed"})))


def test_every_figure_with_a_floor_has_one_name_in_both_forms(monkeypatch):
    monkeypatch.setattr("bench.decisions.measure_calls", lambda *_: measure_calls(20, 1, once=20))
    floors = {floor.figure for floor in read_floors(FILE.read_text(encoding="utf-8")) if floor.part == "decisions"}
    assert all(floors <= set(form().figures) for form in (measure, measure_short))


# the command


@pytest.fixture
def two_parts(monkeypatch):
    """Figures that are there at once, in place of those of two parts."""
    results = {"decisions": _result("ruling", 5.0), "peers": _result("cedarpy: a / our ruling", 12.0)}
    monkeypatch.setattr(command, "measured_apart", lambda part, *, short: results[part])  # noqa: ARG005
    monkeypatch.setattr(command, "read_floors", lambda text: FLOORS)  # noqa: ARG005
    return results


@pytest.mark.usefixtures("two_parts")
def test_all_figures_within_their_floors_end_well(capsys):
    assert command.main(["decisions", "peers"]) == 0
    assert capsys.readouterr().out.endswith("every figure is within its floor\n")


def test_a_figure_under_its_floor_fails_the_command_and_is_named(two_parts, capsys):
    two_parts["decisions"] = _result("ruling", 41.0)
    assert command.main(["decisions", "peers"]) == 1
    assert capsys.readouterr().out.endswith("decisions: `ruling` is 41 x, its floor is at most 20\n")


def test_what_a_part_finds_wrong_itself_fails_the_command(two_parts, capsys):
    two_parts["peers"] = Result({}, unmeasured={"cedarpy": "elsewhere"}, problems=("PMapper: 3 answers differ",))
    assert command.main(["peers"]) == 1
    assert capsys.readouterr().out.endswith("peers: PMapper: 3 answers differ\n")


def test_every_figure_is_in_the_file_and_in_the_table(two_parts, tmp_path, capsys):
    command.main(["decisions", "peers", "--json", str(tmp_path / "figures.json")])
    written = json.loads((tmp_path / "figures.json").read_text())
    shown = capsys.readouterr().out
    assert written["problems"] == []
    assert {part: list(each["figures"]) for part, each in written["parts"].items()} == {
        part: list(result.figures) for part, result in two_parts.items()
    }
    assert all(name in shown for result in two_parts.values() for name in result.figures)


def test_a_part_that_cannot_be_measured_fails_the_command_and_says_why(monkeypatch, capsys):
    def fail(part, *, short):  # noqa: ARG001 - as it is called
        raise UnmeasurableError("there is no clock")

    monkeypatch.setattr(command, "measured_apart", fail)
    assert command.main(["decisions"]) == 1
    assert "decisions: not measured: there is no clock" in capsys.readouterr().out


def test_a_file_of_floors_that_cannot_be_read_is_said_without_a_traceback(monkeypatch, tmp_path, capsys):
    (tmp_path / "floors.toml").write_text("[decisions")
    monkeypatch.setattr(command, "FILE", tmp_path / "floors.toml")
    assert command.main(["decisions"]) == 2
    assert capsys.readouterr().err.startswith("floors: ")


def test_an_unknown_part_ends_with_2_and_names_those_that_there_are(repository):
    asked = [sys.executable, "-m", "tests.bench", "decision"]
    done = subprocess.run(asked, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"no part is named `decision`; there are {', '.join(PARTS)}" in done.stderr


def test_the_list_says_what_each_part_measures(capsys):
    assert command.main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(PARTS)


def test_a_part_without_a_short_form_is_left_out_of_it():
    assert measured("peers", short=True) is None


def test_a_table_shows_number_ratio_and_how_many_a_second_and_what_is_missing():
    result = Result({"ruling": figure("microseconds", 4.0, 0.5)}, ("a note",), {"cedarpy": "not installed"})
    assert list(lines_of(result)) == [
        "           4 microseconds            8 x     250,000/s  ruling",
        "  a note",
        "  cedarpy: not installed",
    ]


# the workload


def test_the_workload_is_the_same_each_time():
    """The figures of the peers that are stated anywhere are about these requests; another workload needs other figures."""
    text = workload_of(calls(2000), 1)
    assert workload_of(calls(2000), 1) == text
    assert workload_of(calls(2000, seed=8), 1) != text
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "526518d832c95017f0892d32d9c2dc1501e9ff77723d463d0d960bf53b25c5ef"
    )
    authorizer = Authorizer(world())
    assert sum(authorizer.decide(call).allowed for call in calls(2000)) == 518


# peers


def _answers(count: int) -> tuple[list, list[bool]]:
    asked, authorizer = calls(count), Authorizer(world())
    return asked, [authorizer.decide(call).allowed for call in asked]


def test_answers_that_agree_have_no_reasons():
    asked, ours = _answers(20)
    assert why_they_differ(PEERS[0], asked, ours, ours) == Counter()


def test_a_difference_is_counted_under_the_reading_that_leads_to_it_and_otherwise_as_unexplained():
    asked, ours = _answers(200)
    no_pairs = Reading("it knows no encryption context", PEERS[0].readings[0].of)
    peer = Peer("a peer", "pip", (), "none", "none.py", (no_pairs,))
    read = [Authorizer(each).decide(call).allowed for each, call in (no_pairs.of(world(), call) for call in asked)]
    explained = sum(our != their for our, their in zip(ours, read, strict=True))
    assert explained > 0
    assert why_they_differ(peer, asked, ours, read) == Counter({"it knows no encryption context": explained})

    agreeing = next(index for index, (our, their) in enumerate(zip(ours, read, strict=True)) if our == their)
    read[agreeing] = not read[agreeing]
    assert why_they_differ(peer, asked, ours, read)["unexplained"] == 1


def test_reading_a_request_as_a_peer_does_leaves_the_workload_alone():
    before = documents()
    for peer in PEERS:
        for reading in peer.readings:
            reading.of(world(), calls(1)[0])
    assert documents() == before


def test_a_peer_whose_answers_nothing_explains_is_a_problem_of_the_part(tmp_path, monkeypatch):
    _, ours = _answers(20)
    wrong = {"microseconds": 1.0, "answers": [not our for our in ours]}
    said = {"version": "1", "ways": {"local check, everything given": wrong}}
    monkeypatch.setattr("bench.peers.PEERS", PEERS[-1:])
    monkeypatch.setattr("bench.peers.ask", lambda *_: said)
    monkeypatch.setattr(Peer, "is_in", lambda peer, peers: True)  # noqa: ARG005
    result = measure_peers(calls(20), 1, tmp_path)
    assert result.problems == (
        "PMapper 1, local check, everything given: 20 answers differ from ours for no known reason",
    )
    assert result.more["agreement"]["PMapper, local check, everything given"]["differ"] == {"unexplained": 20}


def test_peers_that_are_nowhere_are_left_out_with_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr(Peer, "is_in", lambda peer, peers: False)  # noqa: ARG005
    result = measure_peers(calls(20), 1, tmp_path)
    assert result.unmeasured == {
        peer.name: f"not installed; `python -m tests.bench peers --install` fetches it into {tmp_path}"
        for peer in PEERS
    }
    assert "ruling" in result.figures


def test_a_peer_that_breaks_is_named_with_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setattr(Peer, "command", lambda peer, peers: [sys.executable, "-c", "raise SystemExit('no memory')"])  # noqa: ARG005
    with pytest.raises(UnmeasurableError, match="it failed: no memory"):
        ask(PEERS[0], calls(1), 1, tmp_path)
    monkeypatch.setattr(Peer, "is_in", lambda peer, peers: peer is PEERS[0])  # noqa: ARG005
    assert measure_peers(calls(1), 1, tmp_path).problems == ("iam-simulate is there, but it failed: no memory",)


def test_a_tool_that_is_not_on_the_path_is_said_when_peers_are_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(Peer, "is_in", lambda peer, peers: False)  # noqa: ARG005
    monkeypatch.setattr(Peer, "install_command", lambda peer, peers: ["no-such-tool"])  # noqa: ARG005
    assert list(install(tmp_path)) == [f"{peer.name}: it failed: `no-such-tool` is not on the path" for peer in PEERS]


def test_the_folder_of_peers_is_the_one_named_or_in_the_cache(monkeypatch):
    monkeypatch.setenv("KMSSIM_BENCH_PEERS", "/peers")
    assert folder_of_peers() == Path("/peers")
    monkeypatch.delenv("KMSSIM_BENCH_PEERS")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert folder_of_peers() == Path("/cache/kmssim-bench")


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_where_a_peer_differs_it_is_known_why(peer):
    """Only where the peer is: they are other people's programs, and nothing of kmssim needs them."""
    if not peer.is_in(folder_of_peers()):
        pytest.skip(f"{peer.name} is in no folder of peers; `python -m tests.bench peers --install` fetches it")
    asked, ours = _answers(100)
    said = ask(peer, asked, 1, folder_of_peers())
    assert {(peer.name, way) for way in said["ways"]} == {pair for pair in COMPARED if pair[0] == peer.name}
    for found in said["ways"].values():
        assert why_they_differ(peer, asked, ours, found["answers"])["unexplained"] == 0
        assert any(found["answers"])
        assert found["microseconds"] > 0
