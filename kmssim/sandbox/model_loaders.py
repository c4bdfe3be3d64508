"""What reads botocore's models from disk: few loaders, each of which reads a file once in a process.

Half of a first sandbox's start was the reading: a loader walks all 420 folders of services before it reads one, anew
for each kind of model; moto makes a loader for every model, and each session has one of its own.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.loaders import create_loader

from kmssim.sandbox.seams import Function, find_seam, replaced


def new_session() -> Any:  # noqa: ANN401 (a botocore session)
    """A session that reads what no client has read yet, and no more."""
    session = botocore.session.Session()
    session.register_component("data_loader", loader_of_clients())
    return session


@cache
def session_of_clients() -> Any:  # noqa: ANN401 (a boto3 session)
    """The one that makes the clients of every sandbox; it has neither credentials nor a Region of its own.

    First asked for while a sandbox opens, where neither the machine's settings are found nor those of a test's own.
    """
    session = new_session()
    assert session.full_config is not None  # noqa: S101 - read now, since it is read once
    return boto3.Session(botocore_session=session)


@cache
def loader_of_clients() -> Any:  # noqa: ANN401 (a botocore loader)
    """The one that the sandbox's own sessions share. Clients of S3 change what it gives them."""
    return _walking_once(create_loader())


@cache
def untouched_loader() -> Any:  # noqa: ANN401 (a botocore loader)
    """One of which no client has anything."""
    return _walking_once(create_loader())


@contextmanager
def moto_reads_once() -> Iterator[None]:
    """While this is open, moto makes its loader, which adds what moto adds to models, once, and has our endpoints."""
    with ExitStack() as stack:
        stack.enter_context(replaced(find_seam("moto.core.utils"), "create_loader", _once))
        stack.enter_context(replaced(find_seam("moto.core.base_backend"), "Session", _of_ours))
        yield


def _once(make: Function) -> Callable[[], Any]:
    return cache(lambda: _walking_once(make()))


def _of_ours(make: Function) -> Callable[[], Any]:
    return lambda: make(botocore_session=new_session())


def _walking_once(loader: Any) -> Any:  # noqa: ANN401 (a botocore loader)
    def list_available_services(type_name: str) -> list[str]:
        return sorted(frozenset().union(*(_services_in(path).get(type_name, ()) for path in loader.search_paths)))

    loader.list_available_services = list_available_services
    return loader


@cache
def _services_in(root: str) -> Mapping[str, frozenset[str]]:
    """The services of a folder of `service/version/type.json`, with or without `.gz`, by type."""
    found: dict[str, set[str]] = defaultdict(set)
    for service in _folders(root):
        for version in _folders(service.path):
            for name in os.listdir(version.path):  # noqa: PTH208 (paths as objects take three times as long)
                found[name.partition(".json")[0]].add(service.name)
    return {type_name: frozenset(services) for type_name, services in found.items()}


def _folders(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return [entry for entry in entries if entry.is_dir()]
    except FileNotFoundError:
        return []  # botocore looks in ~/.aws/models, too, which hardly anybody has
