"""Files: refused before they are read or written over, and never left half written."""

import io
import json
import os
import re
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from semopt.cli.bench import load
from semopt.files import (
    check_apart,
    check_writable,
    descriptor,
    open_special,
    read_bytes,
    write_atomically,
    write_json,
    write_text,
    writing,
)


def test_a_write_that_fails_half_way_leaves_what_was_there(tmp_path):
    file = tmp_path / "result.json"
    file.write_text("old")

    def parts():
        yield "new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_text(str(file), parts())
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_is_a_message_and_leaves_what_was_there(tmp_path, monkeypatch):
    file = tmp_path / "result.json"
    file.write_text("old")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ValueError, match=r"result\.json: No space left on device"):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_readers_see_the_old_file_until_the_new_one_is_whole(tmp_path):
    file = tmp_path / "result.json"
    file.write_text("old")
    with writing(file) as out, file.open() as reader:
        out.write(b"new")
        out.flush()
        assert file.read_text() == reader.read() == "old"
    assert file.read_text() == "new"


@pytest.mark.parametrize("mode", [0o640, 0o755, 0o600])
def test_the_mode_of_a_file_is_kept(tmp_path, mode):
    file = tmp_path / "result.json"
    file.write_text("old")
    file.chmod(mode)
    write_atomically(file, "new")
    assert stat.S_IMODE(file.stat().st_mode) == mode


def test_a_new_file_has_the_mode_that_the_user_set(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "result.json", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "result.json").stat().st_mode) == 0o640


def test_links_are_followed_and_long_names_are_written(tmp_path):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "folder" / "result.json")
    write_atomically(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "folder" / "result.json").read_text() == "new"
    long = tmp_path / ("x" * 255)
    write_atomically(long, "new")
    assert long.read_text() == "new"


def test_a_pipe_is_opened_without_waiting_and_then_written_as_fast_as_it_is_read(
    tmp_path, monkeypatch
):
    flags, opened = [], os.open
    monkeypatch.setattr(os, "open", lambda path, how: flags.append(how) or opened(path, os.O_RDWR))
    os.mkfifo(tmp_path / "pipe")
    with open_special(tmp_path / "pipe") as file:
        assert flags == [os.O_WRONLY | os.O_NONBLOCK]
        assert os.get_blocking(file.fileno())
    monkeypatch.setattr(os, "open", lambda path, how: opened(path, os.O_RDWR | os.O_NONBLOCK))
    with open_special(tmp_path / "pipe") as file:
        assert os.get_blocking(file.fileno())


def test_a_pipe_is_written_into_where_somebody_reads(tmp_path):
    file = tmp_path / "pipe"
    os.mkfifo(file)
    with pytest.raises(ValueError, match="nobody reads from this pipe"):
        write_json(str(file), {"schema": 1})
    reader = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    write_json(str(file), {"schema": 1})
    assert os.read(reader, 100) == b'{\n  "schema": 1\n}\n'
    os.close(reader)


def test_open_descriptors_are_written_into_where_they_stand(tmp_path):
    file = tmp_path / "log"
    with file.open("wb") as log:
        log.write(b"before\n")
        log.flush()
        write_text(f"/dev/fd/{log.fileno()}", ["one\n", "two\n"])
        log.write(b"after\n")
    assert file.read_text() == "before\none\ntwo\nafter\n"
    names = ("-", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/proc/self/fd/7", "x")
    assert [descriptor(name) for name in names] == [1, 0, 1, 2, 7, None]


def test_what_was_printed_before_stands_before():
    code = "from semopt.files import *; print(1); write_atomically('/dev/stdout', '2')"
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    shown = subprocess.run(
        [sys.executable, "-c", code], env=buffered, capture_output=True, check=True
    )
    assert shown.stdout == b"1\n2"


def test_a_file_is_replaced_so_its_folder_must_be_writable_too(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(os, "access", lambda place, mode: asked.append(place) or mode == os.W_OK)
    (tmp_path / "old").touch()
    for name, places in (
        (tmp_path / "new", [tmp_path]),
        (tmp_path / "old", [tmp_path / "old", tmp_path]),
        (Path("/dev/null"), [Path("/dev/null")]),
    ):
        asked.clear()
        check_writable(name)
        assert asked == places


def test_no_document_holds_what_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(str(tmp_path / "x"), {"value": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("", "a file name is expected"),
        (".", "a file name is expected"),
        ("/", "it is a folder"),
        ("/nowhere/x.json", "there is no folder /nowhere"),
        ("/proc/x.json", "/proc takes no file"),
        ("/dev/fd/987", "it is not open"),
        ("/dev/fd/99999999999999999999", "it is not open"),
    ],
)
def test_what_cannot_be_written_is_said_before(target, words):
    for write in (check_writable, lambda name: write_atomically(name, "x")):
        with pytest.raises(ValueError, match=f"cannot write .*{words}"):
            write(target)


def test_what_is_open_for_reading_is_not_written(tmp_path):
    (tmp_path / "x").touch()
    with (tmp_path / "x").open() as file, pytest.raises(ValueError, match="for reading only"):
        check_writable(f"/dev/fd/{file.fileno()}")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_file_in_a_folder_that_may_not_be_changed_is_refused(tmp_path):
    (tmp_path / "x").touch()
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ValueError, match="permission denied"):
            check_writable(tmp_path / "x")
    finally:
        tmp_path.chmod(0o700)


def test_only_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, words in (
        ("/dev/zero", "it is a device: only files are read"),
        (tmp_path / "pipe", "it is a pipe: only files are read, and standard input by the name -"),
        (tmp_path, "it is a folder"),
    ):
        with pytest.raises(OSError, match=words):
            read_bytes(name)
    (tmp_path / "long").touch()
    os.truncate(tmp_path / "long", 10**10)  # bytes that take no place
    with pytest.raises(OSError, match="it has 10,000,000,000 bytes or more, at most 100,000,000"):
        read_bytes(tmp_path / "long")
    (tmp_path / "short").write_bytes(b"1234")
    assert read_bytes(tmp_path / "short", largest=4) == b"1234"
    with pytest.raises(OSError, match="at most 3 are read"):
        read_bytes(tmp_path / "short", largest=3)
    with pytest.raises(OSError, match="at most 1 are read"):
        read_bytes("/proc/self/status", largest=1)  # whose size is said to be 0


def test_standard_input_is_read_like_a_file(monkeypatch):
    for largest, content in ((4, b"1234"), (3, None)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"1234")))
        if content:
            assert read_bytes("-", largest) == content
        else:
            with pytest.raises(OSError, match="at most 3 are read"):
                read_bytes("-", largest)
    monkeypatch.setattr(sys, "stdin", None)  # of a process that was started without
    with pytest.raises(OSError, match="standard input is closed"):
        read_bytes("-")


def test_outputs_do_not_overwrite_each_other_or_an_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scenario, other = tmp_path / "s.toml", tmp_path / "other.json"
    scenario.touch()
    (tmp_path / "link.json").symlink_to("new.json")
    (tmp_path / "hard.json").hardlink_to(scenario)
    (tmp_path / "folder").symlink_to(".")
    check_apart({"--json": other, "--certificate": "c.json", "--out": None}, [scenario, "paper"])
    check_apart({"--json": "/dev/null", "--certificate": "/dev/null"}, ["/dev/null"])
    for target in ("s.toml", "folder/s.toml", "hard.json", "./folder/folder/s.toml"):
        with pytest.raises(ValueError, match=f"--json {target}: would overwrite what is read, "):
            check_apart({"--json": target}, [scenario])
    for one, two in (
        *(("new.json", "link.json"), ("folder/new.json", "new.json"), ("-", "/dev/stdout")),
        ("/dev/fd/1", "/dev/stdout"),
    ):
        with pytest.raises(ValueError, match="--json and --certificate both write"):
            check_apart({"--json": one, "--certificate": two}, [])
    with pytest.raises(ValueError, match="--json: cannot write /nowhere/x: there is no folder"):
        check_apart({"--json": "/nowhere/x"}, [])


def test_standard_output_is_a_name(tmp_path):
    code = "from semopt.files import write_text; print('a'); write_text('/dev/stdout', 'bc')"
    run = [sys.executable, "-c", code]
    piped = subprocess.run(run, capture_output=True, text=True, check=True)
    assert piped.stdout == "a\nbc"
    with (tmp_path / "out").open("w") as out:
        subprocess.run(run, stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "a\nbc"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read: No such file"),
        ("[1, 2", "is not JSON"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"results": [], "results": []}', "has the key 'results' twice"),
        ('{"results": NaN}', "holds NaN"),
        ("[]", "is no file of `semopt bench --json`"),
        ('{"results": [{"suite": "x"}]}', "is no file of `semopt bench --json`"),
    ],
)
def test_a_saved_run_of_bench_is_read_as_strictly_as_any_file(tmp_path, text, words):
    file = tmp_path / "saved.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ValueError, match=f"--compare {re.escape(str(file))}: {words}"):
        load(file)


def test_a_pipe_is_refused_where_a_saved_run_of_bench_is_expected(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"--compare .*pipe: cannot be read"):
        load(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["r.json", "r.parquet"])
def test_after_ctrl_c_a_file_holds_the_slots_that_are_solved(name, tmp_path, monkeypatch, capsys):
    from semopt import Batch, cli, verify

    def solved_two_parts(done):
        if done > 1:
            raise KeyboardInterrupt

    @contextmanager
    def progress(title, total):
        yield solved_two_parts if title.startswith("exact") else lambda done: None

    monkeypatch.setattr("semopt.cli.solve.progress", progress)
    file = tmp_path / name
    assert cli.run(["solve", "--slots", "400000", "--json", str(file)]) == 130
    told = capsys.readouterr()
    count = int(re.search(r"interrupted: (\d+) of 400000 slots are solved and given", told.err)[1])
    assert 1 < count < 20  # of two parts of work
    if name == "r.json":
        assert f"{count} of {count} slots have a decision" in verify(file)
        document = json.loads(file.read_text())
        assert document["details"] == {"stopped": "interrupted"}
    else:
        assert Batch.from_parquet(file).solved == count

    monkeypatch.setattr("semopt.cli.solve.progress", contextmanager(lambda *_: iter([int])))
    monkeypatch.setattr("semopt.solvers.batch.Work.solve_in_parts", interrupted)
    assert cli.run(["solve", "--slots", "9", "--json", str(tmp_path / "none.json")]) == 130
    assert "0 of 9 slots are solved, and" in capsys.readouterr().err
    assert not (tmp_path / "none.json").exists()


def interrupted(*_):
    raise KeyboardInterrupt
