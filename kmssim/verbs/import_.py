"""`kmssim import`: a world from files that other tools wrote."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from kmssim.verbs.options import FINDING, FINE, print_json, write_json

_READS = """\b
What it reads, JSON as `aws … --output json` prints it, in any number of pages and accounts:
  iam       get-account-authorization-details
  kms       describe-key, get-key-policy (or the policy itself), list-grants,
            list-aliases, list-resource-tags, list-keys
  organizations  describe-organization, list-roots, list-accounts,
            list-organizational-units-for-parent, list-accounts-for-parent,
            list-parents, list-policies-for-target, list-targets-for-policy,
            describe-policy
and CloudFormation templates (JSON or YAML), and Terraform plans or states as
`terraform show -json` writes them.

Some answers do not say what they are about: a key policy names no key, a list
of attached policies no target. Put the id into the file's name, or give the
file a folder that is named so: exports/KEY-ID/policy.json. Or say --key.

\b
Example: kmssim import exports/ --key alias/orders=policy.json > world.json
"""


@click.command("import", epilog=_READS)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--key", "keys", multiple=True, metavar="ID=FILE", help="The key (id, ARN or alias) that FILE is about.")
@click.option("--account", metavar="ID", help="The account of what names none, such as a template; else 123456789012.")
@click.option("--region", default="us-east-1", show_default=True, help="The Region of what names none.")
@click.option("--title", default="imported", show_default=True, help="The title of the scenario.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the scenario there, not to stdout.")
@click.option("--strict", is_flag=True, help="Exit with 1 when something was not understood.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the scenario and what was not understood as one JSON object."
)
def import_(  # noqa: PLR0913 - its options
    paths: Sequence[Path], keys: Sequence[str], account: str | None, region: str, title: str, out: Path | None,
    *, strict: bool, as_json: bool,
) -> None:  # fmt: skip
    """Make a scenario of the files and folders PATHS, exported by other tools.

    Files only: nothing calls AWS. What could not be understood is listed on standard error, with file and JSON path.
    """
    from kmssim.exports.gather import import_files
    from kmssim.exports.told import read_told
    from kmssim.progress import showing_progress

    imported = import_files(paths, read_told(account, region, keys), title, showing_progress)
    not_understood = [{"file": note.file, "path": note.path, "what": note.what} for note in imported.not_understood]
    if out is not None:
        write_json(imported.document, out)
    if as_json:
        print_json({"scenario": imported.document, "not_understood": not_understood})
    elif out is None:
        print_json(imported.document)
    for note in imported.not_understood:
        click.echo(f"kmssim: not understood: {note}", err=True)
    sys.exit(FINDING if strict and not_understood else FINE)
