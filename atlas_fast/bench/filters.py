"""Mail filters in use, over the same messages: bogofilter and rspamd, where they are installed.

Both come from the system's packages. bogofilter is trained on the messages whose folder says ham or
spam. rspamd runs as a server on loopback in a folder of its own, with what would ask the network
(block lists, DNS, fuzzy storage) switched off, which makes it faster than it is in use.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from atlas_fast.bench.paired import Contestant
from atlas_fast.errors import AtlasFastError

RSPAMD_MESSAGES = 400
"""Messages that rspamd gets, evenly spaced."""

NETWORK_MODULES = (
    "arc", "asn", "dkim", "dmarc", "fuzzy_check", "greylist", "history_redis", "mx_check", "neural",
    "phishing", "ratelimit", "rbl", "replies", "spf", "surbl", "url_redirector",
)  # fmt: skip
START_SECONDS = 60


@contextmanager
def peers(paths: Sequence[Path], scratch: Path) -> Iterator[tuple[list[Contestant], list[str]]]:
    """Contestants of what is installed, and the names of what is not; servers end with the body."""
    found, absent, servers = [], [], []
    try:
        if shutil.which("bogofilter"):
            found.append(_bogofilter(paths, scratch / "bogofilter"))
        else:
            absent.append("bogofilter")
        if shutil.which("rspamd") and shutil.which("rspamc"):
            port = _free_port()
            servers.append(_start_rspamd(scratch / "rspamd", port))
            found.append(_rspamd(paths, port))
        else:
            absent.append("rspamd")
        yield found, absent
    finally:
        for server in servers:
            server.terminate()
            server.wait()


def _bogofilter(paths: Sequence[Path], home: Path) -> Contestant:
    home.mkdir()
    for option, label in (("-n", "ham"), ("-s", "spam")):
        known = [path for path in paths if label in path.parent.name]
        _feed(["bogofilter", "-d", str(home), option, "-b"], known)

    def call() -> int:
        lines = _feed(["bogofilter", "-d", str(home), "-T", "-b"], paths)
        return len(lines.splitlines())

    return Contestant("bogofilter", call, len(paths), "one process, reading and judging all files")


def _feed(command: list[str], paths: Sequence[Path]) -> bytes:
    """The output of a program that reads file names from its standard input."""
    names = b"".join(os.fsencode(path) + b"\n" for path in paths)
    return subprocess.run(command, input=names, stdout=subprocess.PIPE, check=False).stdout


def _start_rspamd(home: Path, port: int) -> subprocess.Popen[bytes]:
    local = home / "local.d"
    local.mkdir(parents=True)
    (local / "options.inc").write_text(
        'dns { nameserver = ["127.0.0.1:9"]; timeout = 0.01s; retransmits = 1; }\n'
    )
    for module in NETWORK_MODULES:
        (local / f"{module}.conf").write_text("enabled = false;\n")
    (local / "worker-normal.inc").write_text(f'bind_socket = "127.0.0.1:{port}"; count = 1;\n')
    for worker in ("controller", "proxy"):
        (local / f"worker-{worker}.inc").write_text(f'bind_socket = "127.0.0.1:{_free_port()}";\n')
    places = [f"--var={name}={home}" for name in ("DBDIR", "RUNDIR", "LOGDIR", "LOCAL_CONFDIR")]
    who = ["-i"] if os.geteuid() == 0 else []
    server = subprocess.Popen(
        ["rspamd", "-f", *who, *places], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return server
    server.kill()
    server.wait()
    raise AtlasFastError(f"rspamd did not start within {START_SECONDS} s; its log is in {home}")


def _rspamd(paths: Sequence[Path], port: int) -> Contestant:
    some = [str(path) for path in paths[:: max(1, len(paths) // RSPAMD_MESSAGES)]]

    def call() -> int:
        command = ["rspamc", "-h", f"127.0.0.1:{port}", "-n", "4", *some]
        return subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout.count(b"Score: ")

    return Contestant("rspamd", call, len(some), "client, server with one worker, no network rules")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
