"""A PostgreSQL server of our own for tests and measurements, gone when they end.

It is made from the installed package's programs (Debian: `postgresql`) in a temporary folder,
listens on a socket there and on a loopback port, and knows one role with a random password. The
server refuses to run as root: then it runs as `postgres`, or `nobody`.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["Server", "find_programs"]

ROLE = "atlas"
START_SECONDS = 60.0


def find_programs() -> Path | None:
    """The folder of `initdb` and `postgres`; the newest where there are several, None for none."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    there = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(there, key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


class Server:
    """A running server. `settings` are lines of postgresql.conf.

    Raises FileNotFoundError where the programs are not installed.
    """

    def __init__(self, settings: tuple[str, ...] = ()):
        programs = find_programs()
        if programs is None:
            raise FileNotFoundError("PostgreSQL is not installed (Debian: apt install postgresql)")
        self.programs = programs
        self.password = secrets.token_hex(12)
        self.folder = Path(tempfile.mkdtemp(prefix="atlas-pg-"))
        self.data = self.folder / "data"
        self._user: dict[str, object] = {}
        if os.geteuid() == 0:
            owner = _ordinary_user()
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self._user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._make(settings)
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _make(self, settings: tuple[str, ...]) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)  # read by another user; the folder is closed to the rest
        self._run(
            "initdb", "--pgdata", self.data, "--username", ROLE, "--pwfile", secret,
            "--auth-local", "trust", "--auth-host", "scram-sha-256", "--encoding", "UTF8",
            "--locale", "C", "--no-sync",
        )  # fmt: skip
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        lines = (
            "listen_addresses = '127.0.0.1'", f"port = {self.port}",
            f"unix_socket_directories = '{self.folder}'", *settings,
        )  # fmt: skip
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write("\n".join(lines) + "\n")

    def _run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            [str(self.programs / program), *map(str, arguments)],
            cwd=self.folder, capture_output=True, check=False, timeout=120, **self._user,  # type: ignore[call-overload]
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace').strip()}")

    def start(self) -> None:
        """Start, and wait until it takes connections; after a kill, until it has recovered."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", str(self.data)],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._user,  # type: ignore[call-overload]
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        ready = [
            str(self.programs / "pg_isready"),
            "-q",
            "-h",
            str(self.folder),
            "-p",
            str(self.port),
        ]
        while subprocess.run(ready, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = (self.folder / "log").read_text(errors="replace").splitlines()[-3:]
                raise RuntimeError(f"PostgreSQL did not start: {'; '.join(tail)}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as an administrator does (`fast`): open transactions are rolled back."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL to the server and to each of its processes."""
        if self._process is None or self._process.poll() is not None:
            return
        family = [self._process.pid, *_children(self._process.pid)]
        for pid in family:
            _send(pid, signal.SIGKILL)
        self._process.wait(30)
        while any(_alive(pid) for pid in family[1:]):
            time.sleep(0.005)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(60)

    def close(self) -> None:
        """Stop it and remove the folder; may be called twice."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self, name: str) -> str:
        """Make an empty database; returns its URL over the socket, where no password is asked."""
        self._run(
            "createdb", "-h", self.folder, "-p", self.port, "-U", ROLE, "-T", "template0", name
        )
        return f"postgresql://{ROLE}@/{name}?host={self.folder}&port={self.port}"

    def over_tcp(self, name: str, password: str) -> str:
        """The URL of a database over the loopback port, with a password."""
        return f"postgresql://{ROLE}:{password}@127.0.0.1:{self.port}/{name}"


def _ordinary_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise FileNotFoundError("no user to run PostgreSQL as: neither postgres nor nobody")


def _children(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(pid) for pid in tasks.read_text().split()]


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _alive(pid: int) -> bool:
    """Does it run? A dead process that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
