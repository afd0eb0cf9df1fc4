"""The command line with unexpected input: no traceback, an exit status for each kind of error, and closed streams."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from samples import BOX
from slow import sampled

from hfdask.cli import main
from hfdask.cli.output import say
from hfdask.cluster import scheduler

COMMAND = [sys.executable, "-W", "error", "-m", "hfdask"]
LONG = "p" * 5000

REFUSED = [
    (2, "render", "p", "-o", "o\udcff.mp4"),
    (5, "render", "p", "-o", "."),
    (5, "render", "p", "-o", "folder.mp4"),
    (5, "render", "p", "-o", ""),
    (5, "render", "p", "-o", "folder.mp4/"),
    (5, "render", "p", "-o", ".."),
    (5, "render", "p", "-o", "new/.mp4"),
    (5, "render", "p", "-o", "file:///"),
    (5, "render", "p", "-o", "s3://bucket"),
    (5, "still", "p", "-t", "0", "-o", "/"),
    (5, "render", "p", "-o", "null.mp4"),
    (5, "render", "p", "-o", "pipe.mp4"),
    (5, "still", "p", "-t", "0", "-o", "folder.mp4"),
    (2, "render", "p", "-o", "bogus://x/y.mp4"),
    (5, "render", "p", "-o", "http://[::1/a.mp4"),
    (2, "render", "p", "-o", "o.mp4", "--fps", "nan"),
    (2, "render", "p", "-o", "o.mp4", "--chunk-size", "9" * 30),
    (2, "render", "p", "-o", "o.mp4", "--variables", "[" * 5000),
    (2, "render", "p", "-o", "o.mp4", "--variables", '{"a":' * 2000 + "1" + "}" * 2000),
    (2, "render", "p", "-o", "o.mp4", "--variables", '{"a": "\\ud83d"}'),
    (2, "render", "p", "-o", "o.mp4", "--variables", '{"\\ud83d": 1}'),
    (2, "render", "p", "-o", "o.mp4", "--variables", '{"a": 1e999}'),
    (2, "render", "p", "-o", "o.mp4", "--load-timeout", "inf"),
    (2, "render", "p", "-o", "o.mp4", "--replace-url", "http://[=x"),
    (2, "render", "p", "-o", "o.mp4", "--scheduler", "x"),
    (1, "render", "p", "-o", "o.mp4", "--scheduler", "tcp://127.0.0.1:1"),
    (2, "render", "p", "-o", "o.mp4", "--scheduler", "tls://127.0.0.1:1"),
    (1, "render", "p", "-o", "o.mp4", "--scheduler", "tcp://127.0.0.1:99999999"),
    (2, "render", LONG, "-o", "o.mp4"),
    (3, "render", "p", "-o", "o.mp4", "--entry", "../p"),
    (3, "check", "nope"),
    (2, "check", LONG),
    (1, "chunk", "nope", "0"),
    (1, "chunk", "p", "9" * 30),
    (1, "assemble", "nope", "-o", "x.mp4"),
    (1, "verify", "nope"),
    (1, "verify", "p/index.html", "p/index.html"),
    (1, "compare", "p/index.html", "p/index.html"),
    (2, "still", "p", "-t", "nan", "-o", "x.png"),
    (2, "still", "p", "-t", "inf", "-o", "x.png"),
    (2, "still", "p", "-t", "1e308", "-o", "x.png"),
    (1, "doctor", "--scheduler", "tcp://127.0.0.1:1"),
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a small project in it."""
    monkeypatch.chdir(tmp_path)
    Path("p").mkdir()
    Path("p/index.html").write_text(f"<!doctype html><html><body>{BOX}</body></html>", "utf-8")
    Path("folder.mp4").mkdir()
    Path("null.mp4").symlink_to("/dev/null")
    os.mkfifo("pipe.mp4")
    return tmp_path


@pytest.mark.usefixtures("fake_browser")
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: " ".join(case[1:])[:60].encode("ascii", "replace").decode())
def test_bad_input_is_one_line_and_an_exit_status(case, here, monkeypatch):
    monkeypatch.setattr(scheduler, "CONNECT", 1.0)
    status, *arguments = case
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, "INTERNAL_ERROR" in result.output) == (status, False), result.output
    assert not result.output.rstrip().endswith(":"), "the reason is missing"
    assert sorted(path.name for path in here.glob("*.mp4") if not path.is_file()) == [
        "folder.mp4",
        "null.mp4",
        "pipe.mp4",
    ]
    assert not [path for path in here.glob("*.mp4") if path.is_file()]


def test_what_nobody_has_foreseen_is_one_line_too(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("hfdask.check", fail)
    result = CliRunner().invoke(main, ["check", "p"])
    assert result.exit_code == 1
    assert result.output.startswith("INTERNAL_ERROR: KeyError: 'surprise'")
    assert "Traceback" in CliRunner().invoke(main, ["--debug", "check", "p"]).output


def shell(line: str, here: Path) -> subprocess.CompletedProcess[str]:
    hfdask = " ".join(f"'{part}'" for part in COMMAND)
    script = f'hfdask() {{ {hfdask} "$@"; }}\n{line}'
    return subprocess.run(["bash", "-c", script], cwd=here, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("line", "status", "said"),
    sampled(
        [
            ("hfdask --help | head -1; exit ${PIPESTATUS[0]}", 0, "Usage"),
            ("hfdask check nope >&- 2>&-", 3, ""),
            ("hfdask check nope <&- >&-", 3, "ENTRY_NOT_FOUND"),
            ("hfdask check p --json > /dev/full", 5, "OUTPUT_NOT_WRITABLE"),
            ("hfdask check p --json | true; exit ${PIPESTATUS[0]}", 1, ""),
        ]
    ),
)
def test_streams_that_are_closed_full_or_left(line, status, said, here):
    done = shell(line, here)
    assert done.returncode == status, done
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.browser
@pytest.mark.slow
def test_a_render_without_any_stream_writes_its_video(here):
    assert shell("hfdask render p -o out.mp4 <&- >&- 2>&-", here).returncode == 0
    assert (here / "out.mp4").stat().st_size > 1000


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_a_render_in_order(number, here):
    command = [*COMMAND, "render", "p", "-o", "out.mp4", "--fps", "240"]
    process = psutil.Popen(command, cwd=here, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not any("type=renderer" in command_line(child) for child in process.children(recursive=True)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = process.children(recursive=True)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert f"RENDER_CANCELLED: stopped by {number.name}" in said
    assert "Traceback" not in said
    assert not psutil.wait_procs(children, timeout=5)[1]
    assert not (here / "out.mp4").exists()


def command_line(process: psutil.Process) -> str:
    """Return the command line of a process; empty if it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def test_nohup_is_obeyed():
    code = (
        "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from hfdask.cli.output import signals_raised\n"
        "with signals_raised(): os.kill(os.getpid(), signal.SIGHUP)\n"
        "print('goes on')"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "goes on\n"
    )


def test_no_text_commands_the_terminal(capsys):
    say("a\x1b]0;title\x07b\x9bc\u202ed\ud83de\tf\U0001f600")
    assert capsys.readouterr().err == "a\u241b]0;title\u2407b\ufffdc\ufffdd\ufffde\tf\U0001f600\n"


def test_descriptors_of_closed_streams_are_taken():
    code = (
        "import os\nfor number in (0, 1, 2): os.close(number)\n"
        "from hfdask.cli.output import standard_streams\n"
        "with standard_streams(): os._exit(0 if os.open('/dev/null', os.O_RDONLY) > 2 else 1)"
    )
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
