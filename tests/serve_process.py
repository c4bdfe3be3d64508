"""`kmssim serve` in a process of its own, and the AWS CLI against it."""

from __future__ import annotations

import configparser
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

ROOT = Path(__file__).resolve().parent.parent
ONCE = Config(retries={"total_max_attempts": 1})


@dataclass
class Running:
    """A server in a process of its own, with what it printed until it was ready."""

    process: subprocess.Popen[str]
    url: str
    config: Path
    hello: dict

    def client(self, profile: str, service: str = "kms", **options):
        section = self.section(profile)
        return boto3.client(
            service,
            section["region"],
            endpoint_url=section["endpoint_url"],
            aws_access_key_id=section["aws_access_key_id"],
            aws_secret_access_key=section["aws_secret_access_key"],
            aws_session_token=section.get("aws_session_token"),
            config=ONCE,
            **options,
        )

    def section(self, profile: str) -> configparser.SectionProxy:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(self.config)
        return parser[f"profile {profile}"]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, list[str], str]:
        """Exit code, lines after the first, and standard error."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out.splitlines(), err


def start(folder: Path, *arguments: str, scenario: dict | None) -> Running:
    """A server of its own, which has said that it is ready."""
    command = [sys.executable, "-m", "kmssim", "serve", "--json", "--write-profiles", str(folder / "config")]
    if scenario is not None:
        (folder / "scenario.json").write_text(json.dumps(scenario))
        command += ["--scenario", str(folder / "scenario.json")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*command, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
    )
    line = process.stdout.readline()
    if not line:
        pytest.fail(process.communicate()[1])
    hello = json.loads(line)
    return Running(process, hello["endpoint_url"], folder / "config", hello)


@contextmanager
def running(folder: Path, *arguments: str, scenario: dict | None):
    """The same for a while."""
    server = start(folder, *arguments, scenario=scenario)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()


def aws_cli(server: Running, prefix: str) -> Callable[..., tuple[int, dict, str]]:
    """`run("app", "kms", "list-keys")` → exit code, answer, standard error, as the principal of the profile
    whose name goes on like this after `prefix`."""
    program = os.environ.get("KMSSIM_AWS_CLI")
    if not program:
        pytest.skip("the AWS CLI is not installed: set KMSSIM_AWS_CLI to the path of `aws`")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_CONFIG_FILE": str(server.config), "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": ""}

    def run(profile: str, *arguments: str) -> tuple[int, dict, str]:
        ran = subprocess.run(
            [program, "--profile", prefix + profile, "--output", "json", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return ran.returncode, json.loads(ran.stdout or "{}"), ran.stderr

    return run
