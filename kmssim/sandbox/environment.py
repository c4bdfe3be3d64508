"""The environment inside the sandbox: nothing of the real account in it, and proxies that lead nowhere.

Child processes start with it, so for them it is the whole guard: invented credentials, no profile, no metadata
endpoint, and every HTTP request that is not for this machine is sent to a dead end on loopback.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

# What redirects a client, names a real identity, or changes what moto does. Everything else is the program's own
# business: applications have AWS_ variables of their own, such as a key's ARN.
GOVERNED_NAMES = frozenset(
    """
    AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_SECURITY_TOKEN AWS_CREDENTIAL_EXPIRATION
    AWS_ACCOUNT_ID AWS_PROFILE AWS_DEFAULT_PROFILE AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE BOTO_CONFIG
    AWS_ROLE_ARN AWS_ROLE_SESSION_NAME AWS_WEB_IDENTITY_TOKEN_FILE AWS_LOGIN_CACHE_DIRECTORY
    AWS_REGION AWS_DEFAULT_REGION AWS_USE_DUALSTACK_ENDPOINT AWS_USE_FIPS_ENDPOINT AWS_IGNORE_CONFIGURED_ENDPOINT_URLS
    AWS_ENDPOINT_DISCOVERY_ENABLED AWS_CA_BUNDLE AWS_DATA_PATH AWS_IMDS_USE_IPV6 BOTOCORE_EXPERIMENTAL__PLUGINS
    AWS_METADATA_SERVICE_TIMEOUT AWS_METADATA_SERVICE_NUM_ATTEMPTS
    TEST_SERVER_MODE TEST_SERVER_MODE_ENDPOINT TEST_PROXY_MODE INITIAL_NO_AUTH_ACTION_COUNT
    S3_IGNORE_SUBDOMAIN_BUCKETNAME
    HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
    """.split()  # noqa: SIM905 (forty lines otherwise)
)
GOVERNED_PREFIXES = (
    "AWS_BEARER_TOKEN_",
    "AWS_CONTAINER_",
    "AWS_CSM_",
    "AWS_EC2_METADATA_",
    "AWS_ENDPOINT_URL",
    "AWS_SSO_",
    "MOTO_",
)
ACCESS_KEY_ID = "AKIAKMSSIM0000000000"
_INSIDE = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
    "AWS_SECRET_ACCESS_KEY": "kmssim",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "BOTO_CONFIG": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1,localhost,::1",
    "no_proxy": "127.0.0.1,localhost,::1",
}
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


def is_governed(name: str) -> bool:
    """Whether the sandbox decides about the environment variable `name`."""
    return name in GOVERNED_NAMES or name.startswith(GOVERNED_PREFIXES)


@contextmanager
def scrubbed_environment() -> Iterator[int]:
    """Governed variables are the sandbox's while this is open, and exactly what they were afterwards.

    Yields the port of the dead end: bound, so that nobody else can, and not listening, so that nobody answers.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as dead_end:
        dead_end.bind(("127.0.0.1", 0))
        port: int = dead_end.getsockname()[1]
        before = _governed()
        _replace_governed(_INSIDE | dict.fromkeys(_PROXIES, f"http://127.0.0.1:{port}"))
        try:
            yield port
        finally:
            _replace_governed(before)


def _governed() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if is_governed(name)}


def _replace_governed(wanted: dict[str, str]) -> None:
    for name in _governed().keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)
