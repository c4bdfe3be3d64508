"""What a server says: in order, without waiting for its reader, and without hanging at the end."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading

import pytest

from kmssim.speech import Speech, writer_to


def test_lines_are_written_in_their_order_and_all_of_them_by_the_end():
    told = []
    with Speech(told.append) as say:
        for number in range(1000):
            say(str(number))
    assert told == [f"{number}\n" for number in range(1000)]


def test_saying_something_does_not_wait_for_who_writes_it():
    go_on, told = threading.Event(), []

    def write(text):
        go_on.wait(10)
        told.append(text)

    with Speech(write) as say:
        for number in range(100):
            say(str(number))
        assert told == []
        go_on.set()
    assert len(told) == 100


def test_of_more_than_are_kept_the_oldest_are_dropped_and_counted():
    begun, go_on, told = threading.Event(), threading.Event(), []

    def write(text):
        begun.set()
        go_on.wait(10)
        told.append(text)

    with Speech(write, kept=3) as say:
        say("first")
        assert begun.wait(10)
        for number in range(5):
            say(str(number))
        go_on.set()
    assert told == ["first\n", "2\n", "3\n", "4\n"]
    assert say.dropped == 2


def test_an_empty_line_does_not_end_it():
    told = []
    with Speech(told.append) as say:
        say("")
        say("next")
    assert told == ["\n", "next\n"]


@pytest.mark.parametrize("error", [BrokenPipeError, OSError])
def test_nothing_more_is_said_to_who_does_not_listen(error):
    tried = []

    def write(text):
        tried.append(text)
        raise error

    with Speech(write) as say:
        say("one")
        say._thread.join(10)
        say("two")
    assert tried == ["one\n"]


def test_a_stream_in_memory_is_written_to_as_it_is():
    stream = io.StringIO()
    writer_to(stream)("é\n")
    assert stream.getvalue() == "é\n"


def test_where_there_is_no_output_nothing_is_written():
    writer_to(None)("lost\n")


def test_a_file_is_written_to_at_once_whatever_its_encoding(tmp_path):
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        stream.write("before ")
        writer_to(stream)("é\n")
        assert (tmp_path / "out").read_text(encoding="ascii") == "before \\xe9\n"


def test_a_pipe_that_does_not_wait_gets_every_line():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    got = []
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb") as end:
        thread = threading.Thread(target=lambda: got.append(end.read(200_000)))
        with Speech(writer_to(stream)) as say:
            for _ in range(20):
                say("x" * 9_999)
            thread.start()
        thread.join(10)
    assert got == [(b"x" * 9_999 + b"\n") * 20]


def test_a_process_whose_output_nobody_reads_comes_to_its_end():
    script = (
        "import sys\n"
        "from kmssim.speech import Speech, writer_to\n"
        "with Speech(writer_to(sys.stdout)) as say:\n"
        "    for _ in range(100):\n"
        "        say('x' * 10_000)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    assert process.wait(20) == 0
    assert process.stderr.read() == b""
    assert process.stdout.read(10_001) == b"x" * 10_000 + b"\n"
    process.stdout.close()
    process.stderr.close()
