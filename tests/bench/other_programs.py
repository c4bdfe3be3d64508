"""The other programs: where they are, how they are fetched, and what they are asked.

Each is asked by a program of ours (`peer_programs/`), which reads the common workload on standard input and says what it
answers. A peer is looked for in the folder that KMSSIM_BENCH_PEERS names, otherwise in kmssim-bench in the user's cache
folder; `python -m tests.bench peers --install` fetches it there with npm or pip. Nothing of theirs is part of kmssim.

IAMSpy is not among them: what the package index has under its name (0.0.1) is empty.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from bench.figures import UnmeasurableError
from bench.workload import ACCOUNT, KEY, documents, world_of

from kmssim.evaluator.request import Call
from kmssim.evaluator.world import World

PATIENCE = 900.0
PROGRAMS = Path(__file__).parent / "peer_programs"


@dataclass(frozen=True)
class Reading:
    """How a peer reads the requests otherwise, and the same as a change of what we are asked."""

    why: str
    of: Callable[[World, Call], tuple[World, Call]]


@dataclass(frozen=True)
class Peer:
    """A program to compare with. `packages` are installed by `tool` into `folder` of the folder of peers."""

    name: str
    tool: str
    packages: tuple[str, ...]
    module: str
    program: str
    readings: tuple[Reading, ...] = ()
    remark: str = ""

    def folder(self, peers: Path) -> Path:
        """Where this peer is installed."""
        return peers / self.name

    def is_in(self, peers: Path) -> bool:
        """Whether it is installed there, or, for Python, in this environment."""
        if self.tool == "npm":
            return (self.folder(peers) / "node_modules" / self.module).is_dir()
        return PathFinder.find_spec(self.module, [str(self.folder(peers)), *sys.path]) is not None

    def install_command(self, peers: Path) -> list[str]:
        """What fetches it."""
        folder = str(self.folder(peers))
        if self.tool == "npm":
            return ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", folder, *self.packages]
        return [sys.executable, "-m", "pip", "install", "-q", "--target", folder, *self.packages]

    def command(self, peers: Path) -> list[str]:
        """What asks it."""
        program = str(PROGRAMS / self.program)
        return ["node", program, str(self.folder(peers))] if self.tool == "npm" else [sys.executable, program]


def _without_pairs(state: World, call: Call) -> tuple[World, Call]:
    pairs = call.parameters.get("EncryptionContext")
    if not isinstance(pairs, Mapping):
        return state, call
    parameters = {name: value for name, value in call.parameters.items() if name != "EncryptionContext"}
    stated = {**call.context, "kms:encryptioncontextkeys": tuple(pairs)}
    return state, replace(call, parameters=parameters, context=stated)


def _star_as_root(_: World, call: Call) -> tuple[World, Call]:
    given = documents()
    for statement in given["key_policy"]["Statement"]:
        if statement["Principal"] == {"AWS": "*"}:
            statement["Principal"] = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    return world_of(given), call


PEERS = (
    Peer(
        "iam-simulate", "npm", ("@cloud-copilot/iam-simulate@0.1.173",), "@cloud-copilot/iam-simulate", "iam_simulate.mjs",
        (Reading("its public function takes away every kms:EncryptionContext:… of a request", _without_pairs),),
    ),
    Peer(
        "cedarpy", "pip", ("cedarpy==4.12.2",), "cedarpy", "cedar.py",
        remark="SCPs, boundary and the hand-over to IAM are folded into `forbid … unless` and `permit`; wildcards of actions, "
        "role sessions and condition keys that KMS derives have no counterpart and are worked out before it is asked",
    ),
    Peer(
        "PMapper", "pip", ("principalmapper==1.1.5",), "principalmapper", "pmapper.py",
        (Reading('it takes Principal {"AWS": "*"} of a key policy for the account, which hands over to IAM', _star_as_root),),
    ),
)  # fmt: skip


def folder_of_peers() -> Path:
    """Where peers are looked for, and installed."""
    named = os.environ.get("KMSSIM_BENCH_PEERS")
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named).absolute() if named else Path(caches, "kmssim-bench")


def install(peers: Path) -> Iterator[str]:
    """Fetch every peer that is not there; says what was done."""
    for peer in PEERS:
        if peer.is_in(peers):
            yield f"{peer.name}: already there"
            continue
        peer.folder(peers).mkdir(parents=True, exist_ok=True)
        done = _run(peer.install_command(peers))
        yield f"{peer.name}: {_trouble(done) or f'installed into {peer.folder(peers)}'}"


def _run(command: list[str], text: str = "", peer_folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PYTHONPATH": str(peer_folder)} if peer_folder else {})
    try:
        return subprocess.run(
            command, input=text, text=True, capture_output=True, check=False, env=environment, timeout=PATIENCE
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"`{command[0]}` is not on the path")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no end after {PATIENCE:.0f} s")


def _trouble(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode == 0:
        return ""
    last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), f"exit code {done.returncode}")
    return f"it failed: {last.strip()}"


_NAMES_OF_KEYS = {
    "aws:requestedregion": "aws:RequestedRegion",
    "aws:resourcetag/env": "aws:ResourceTag/env",
    "kms:viaservice": "kms:ViaService",
    "kms:grantisforawsresource": "kms:GrantIsForAWSResource",
}


def as_peers_take_it(call: Call) -> dict[str, object]:
    """A call as a request with all of its condition keys: peers derive few or none of KMS's."""
    role = f"arn:aws:iam::{ACCOUNT}:role/{call.principal.name}"
    pairs = call.parameters.get("EncryptionContext") or {}
    context = {"aws:PrincipalArn": role, "aws:PrincipalAccount": ACCOUNT, "kms:CallerAccount": ACCOUNT}
    context |= {_NAMES_OF_KEYS[key]: value for key, value in call.context.items()}
    context |= {f"kms:EncryptionContext:{name}": value for name, value in pairs.items()}
    if pairs:
        context["kms:EncryptionContextKeys"] = list(pairs)
    return {
        "principal": call.principal.arn,
        "role": role,
        "action": call.operation,
        "resource": KEY,
        "context": context,
    }


def workload_of(asked: Sequence[Call], passes: int) -> str:
    """The workload as peers read it."""
    requests = [as_peers_take_it(call) for call in asked]
    return json.dumps({"account": ACCOUNT, "passes": passes, "policies": documents(), "requests": requests})


def ask(peer: Peer, asked: Sequence[Call], passes: int, peers: Path) -> dict[str, Any]:
    """What a peer answers: `{"version": …, "ways": {way: {"microseconds": …, "answers": [bool, …]}}}`.

    Raises:
        UnmeasurableError: it does not run here.

    """
    done = _run(peer.command(peers), workload_of(asked, passes), peer.folder(peers))
    if done.returncode != 0:
        raise UnmeasurableError(_trouble(done))
    return json.loads(done.stdout)
