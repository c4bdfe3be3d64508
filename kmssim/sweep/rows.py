"""The rows of a large sweep, one for each thing that somebody may do, as the content of a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kmssim.errors import SetupError


class Row(NamedTuple):
    """A caller who may do an action on a key. A service that calls for itself has no account."""

    key_account: str
    key: str
    caller_account: str
    caller: str
    action: str


def written(rows: Sequence[Row], format_name: str) -> bytes:
    """The rows as a file of this format. Raises SetupError where Parquet is asked for and pyarrow is missing."""
    return FORMATS[format_name](rows)


def check_format(format_name: str) -> None:
    """Say before the work begins that a format cannot be written here. Raises SetupError."""
    written((), format_name)


def _as_csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(rows)
    return text.getvalue().encode()


def _as_json_lines(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps(row._asdict()) + "\n" for row in rows).encode()


def _as_parquet(rows: Sequence[Row]) -> bytes:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to import
        from pyarrow import parquet  # noqa: PLC0415 - as above
    except ImportError:
        raise SetupError(
            "Parquet files need pyarrow: pip install 'kmssim[sweep]', or choose --format csv or jsonl"
        ) from None
    columns = list(zip(*rows, strict=True)) or [()] * len(Row._fields)
    kind = pa.dictionary(pa.int32(), pa.string())
    table = pa.table({name: pa.array(column, kind) for name, column in zip(Row._fields, columns, strict=True)})
    content = io.BytesIO()
    parquet.write_table(table, content, compression="zstd")
    return content.getvalue()


FORMATS: Mapping[str, Callable[[Sequence[Row]], bytes]] = {
    "parquet": _as_parquet,
    "csv": _as_csv,
    "jsonl": _as_json_lines,
}
