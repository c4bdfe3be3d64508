"""Load and faults: `python -m tests.load [--threads N] [--processes M] [--seconds S]` against one `kmssim serve`.

Each call is compared with the prediction. Meanwhile clients are killed in mid-call. At the end the server must have
decided nothing wrongly, said nothing on standard error, use within 10 % of the memory that it used after warming up,
and stop with exit code 0. Exits with 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.load.world import scenario

ROOT = Path(__file__).resolve().parents[2]
WARM_UP_DECISIONS = 2500
"""More than the server keeps, so that its log is full when memory is looked at first."""

_WARM_UP_AT_MOST = 120.0
_MOST_GROWTH = 0.10


@dataclass(frozen=True)
class Result:
    """What came of a run; memory in MiB, of the server alone."""

    calls: int
    refused: int
    wrong: int
    broken: int
    decisions: int
    killed: int
    seconds: float
    memory_after_warm_up: float
    memory_at_the_end: float
    exit_code: int
    said: str
    shown: tuple[str, ...]

    @property
    def growth(self) -> float:
        return self.memory_at_the_end / self.memory_after_warm_up - 1

    @property
    def problems(self) -> list[str]:
        """What is not as it must be."""
        found = [f"{self.wrong} calls ended otherwise than predicted"] if self.wrong else []
        found += [f"{self.broken} calls broke off"] if self.broken else []
        found += [f"memory grew by {self.growth:.0%}"] if self.growth > _MOST_GROWTH else []
        found += [f"exit code {self.exit_code}"] if self.exit_code else []
        found += [f"standard error: {self.said}"] if self.said else []
        return found + list(self.shown)


class Server:
    """`kmssim serve` in a process of its own; its decisions are counted."""

    def __init__(self, folder: Path, changers: int) -> None:
        file, self.config = folder / "scenario.json", folder / "config"
        file.write_text(json.dumps(scenario(changers)))
        self._errors = (folder / "stderr").open("w+")
        options = ["--scenario", str(file), "--write-profiles", str(self.config), "--json"]
        command = [sys.executable, "-m", "kmssim", "serve", *options]
        self.process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=self._errors, text=True, cwd=folder
        )
        hello = self.process.stdout.readline()
        if not hello:
            raise RuntimeError(self.said())
        self.url = json.loads(hello)["endpoint_url"]
        self.decisions = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        for _ in self.process.stdout:
            self.decisions += 1

    def memory(self) -> float:
        """The resident set in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def said(self) -> str:
        """What it wrote to standard error."""
        self._errors.seek(0)
        return self._errors.read()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self._errors.flush()


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "PYTHONPATH": str(ROOT),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def start_caller(number: int, threads: int, changers: int, config: Path) -> subprocess.Popen[str]:
    """A process of callers."""
    command = [sys.executable, "-m", "tests.load.caller", str(number), str(threads), str(changers), str(config)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def kill_clients(server: Server, changers: int, stopped: threading.Event) -> list[str]:
    """Connections torn in mid-request, and whole processes of clients killed, until `stopped`; says of which kind."""
    killed: list[str] = []

    def tear() -> None:
        host, port = server.url.removeprefix("http://").split(":")
        chance = random.Random(7)  # noqa: S311 - no secret
        head = b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: TrentService.Encrypt\r\nContent-Length: 200\r\n\r\n{"
        while not stopped.wait(0.05):
            with socket.create_connection((host, int(port)), timeout=30) as torn:
                torn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ends with a reset
                torn.sendall(head[: chance.randrange(len(head) + 1)])
            killed.append("connection")

    def kill() -> None:
        while not stopped.is_set():
            # its changer has the last key, which no other process changes
            victim = start_caller(changers, 4, changers, server.config)
            stopped.wait(4)
            victim.kill()
            victim.communicate()
            killed.append("process")

    for work in (tear, kill):
        threading.Thread(target=work, daemon=True).start()
    return killed


def run(threads: int, processes: int, seconds: float) -> Result:
    """Warm up, then measure for so many seconds."""
    changers = processes + 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = Server(folder, changers)
        stack.callback(server.process.kill)
        callers = [start_caller(number, threads, changers, server.config) for number in range(1, processes + 1)]
        for caller in callers:
            stack.callback(caller.kill)
        begin = time.monotonic()
        while server.decisions < WARM_UP_DECISIONS and time.monotonic() - begin < _WARM_UP_AT_MOST:
            time.sleep(0.1)
        warm = server.memory()
        stopped = threading.Event()
        killed = kill_clients(server, changers, stopped)
        time.sleep(seconds)
        stopped.set()
        at_the_end = server.memory()
        told = [json.loads(caller.communicate(timeout=120)[0]) for caller in callers]
        elapsed = time.monotonic() - begin
        code = server.stop()
        return Result(
            **{name: sum(each[name] for each in told) for name in ("calls", "refused", "wrong", "broken")},
            decisions=server.decisions,
            killed=len(killed),
            seconds=round(elapsed, 1),
            memory_after_warm_up=round(warm, 1),
            memory_at_the_end=round(at_the_end, 1),
            exit_code=code,
            said=server.said(),
            shown=tuple(text for each in told for text in each["shown"]),
        )


def main() -> int:
    """Run as told and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    result = run(options.threads, options.processes, options.seconds)
    print(json.dumps(asdict(result) | {"growth": round(result.growth, 3), "problems": result.problems}, indent=2))  # noqa: T201
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
