"""The rows of a large sweep, one for each thing that somebody may do, as the content of a file.

Rows come one by one and are written as they come, so that a part needs no more memory than its file.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from kmssim.errors import SetupError

_ROWS_AT_ONCE = 1 << 16
"""So many rows make a row group of a Parquet file."""


class Row(NamedTuple):
    """A caller who may do an action on a key. A service that calls for itself has no account.

    `path`: the words for the paths that are open (see `combine`), `uncertain` the open questions without which it
    would be denied; a space stands between several.
    """

    key_account: str
    key: str
    caller_account: str
    caller: str
    action: str
    path: str
    uncertain: str


class Writer(Protocol):
    """A file in the making."""

    def add(self, row: Row) -> None:
        """Write a row."""

    def content(self) -> bytes:
        """The whole file; nothing comes after it."""


def begin(format_name: str) -> Writer:
    """Begin a file of this format. Raises SetupError where Parquet is asked for and pyarrow is missing."""
    return FORMATS[format_name]()


class _Csv:
    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._text = io.TextIOWrapper(self._bytes, "utf-8", newline="", write_through=False)
        self._write = csv.writer(self._text, lineterminator="\n").writerow
        self._write(Row._fields)

    def add(self, row: Row) -> None:
        self._write(row)

    def content(self) -> bytes:
        self._text.flush()
        return self._bytes.getvalue()


class _JsonLines:
    def __init__(self) -> None:
        self._bytes = io.BytesIO()

    def add(self, row: Row) -> None:
        self._bytes.write(json.dumps(row._asdict()).encode() + b"\n")

    def content(self) -> bytes:
        return self._bytes.getvalue()


class _Parquet:
    def __init__(self) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to import
            from pyarrow import parquet  # noqa: PLC0415 - as above
        except ImportError:
            raise SetupError(
                "Parquet files need pyarrow: pip install 'kmssim[sweep]', or choose --format csv or jsonl"
            ) from None
        kind = pa.dictionary(pa.int32(), pa.string())  # a column holds few different words
        self._schema = pa.schema([(name, kind) for name in Row._fields])
        self._table: Callable[..., Any] = pa.table
        self._bytes = io.BytesIO()
        self._writer = parquet.ParquetWriter(self._bytes, self._schema, compression="zstd")
        self._waiting: list[Row] = []

    def add(self, row: Row) -> None:
        self._waiting.append(row)
        if len(self._waiting) >= _ROWS_AT_ONCE:
            self._write_group()

    def _write_group(self) -> None:
        columns = list(zip(*self._waiting, strict=True))
        self._writer.write_table(self._table(columns, schema=self._schema))
        self._waiting.clear()

    def content(self) -> bytes:
        if self._waiting:
            self._write_group()
        self._writer.close()
        return self._bytes.getvalue()


FORMATS: Mapping[str, Callable[[], Writer]] = {"parquet": _Parquet, "csv": _Csv, "jsonl": _JsonLines}
