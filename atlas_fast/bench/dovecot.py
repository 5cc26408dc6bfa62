"""A Dovecot of one's own: loopback, free ports, a folder of its own, never as root."""

from __future__ import annotations

import contextlib
import hashlib
import imaplib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

DOVECOT = shutil.which("dovecot") or (
    "/usr/sbin/dovecot" if os.access("/usr/sbin/dovecot", os.X_OK) else None
)
USER, PASSWORD = "ann@example.org", "correct-horse-battery"

CONF = """
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
first_valid_gid = 1
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = {storage}:~/{storage}
mail_max_userip_connections = 100
mail_fsync = never
ssl = {ssl}
{cert}
{extra}
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={root}/home/%u
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  service_count = 0
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _ours() -> tuple[str, str]:
    """Names of our user and group."""
    import grp
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name


class Dovecot:
    """A running server; `port` plain, `tls_port` TLS with the certificate `ca`."""

    def __init__(self, storage: str = "sdbox", extra: str = ""):
        self.root = Path(tempfile.mkdtemp(prefix="dv-", dir="/tmp"))
        self.root.chmod(0o755)
        root = os.geteuid() == 0
        self.user, self.group = ("nobody", "nogroup") if root else _ours()
        self.lesser: dict[str, Any] = {}
        if root:
            self.lesser = {"user": self.user, "group": self.group, "extra_groups": []}
        self.port, self.tls_port = free_port(), free_port()
        self.storage, self.extra = storage, extra
        self.ca = self._certificate()
        self.process: subprocess.Popen | None = None
        for name in ("run", "state", "home"):
            (self.root / name).mkdir()
        if root:
            for path in (self.root, *self.root.rglob("*")):
                shutil.chown(path, self.user, self.group)
        self.start()

    def _certificate(self) -> Path | None:
        if shutil.which("openssl") is None:
            return None
        command = (
            "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
            f"subjectAltName=DNS:localhost -keyout {self.root}/key.pem -out {self.root}/cert.pem"
        )
        subprocess.run(command.split(), check=True, capture_output=True)
        return self.root / "cert.pem"

    def start(self) -> None:
        cert = f"ssl_cert = <{self.ca}\nssl_key = <{self.root}/key.pem" if self.ca else ""
        conf = CONF.format(
            root=self.root, user=self.user, group=self.group, storage=self.storage, cert=cert,
            ssl="yes" if self.ca else "no", password=PASSWORD, port=self.port,
            tls_port=self.tls_port, extra=self.extra,
        )  # fmt: skip
        (self.root / "conf").write_text(conf)
        self.process = subprocess.Popen(
            [DOVECOT or "dovecot", "-F", "-c", str(self.root / "conf")],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **self.lesser,
        )  # fmt: skip
        deadline = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as probe:
                    if probe.recv(100).startswith(b"* OK"):
                        return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"dovecot does not start: {self.log()}")
            time.sleep(0.05)

    def log(self) -> str:
        with contextlib.suppress(OSError):
            return (self.root / "log").read_text()[-2000:]
        if self.process is None or self.process.stderr is None:
            return ""
        return self.process.stderr.read().decode()

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            if self.process.stderr is not None:
                self.process.stderr.close()
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    # -- what measurements and tests do on it, with the standard library's client ---------------

    def client(self, user: str = USER) -> imaplib.IMAP4:
        made = imaplib.IMAP4("127.0.0.1", self.port)
        made.login(user, PASSWORD)
        return made

    def fill(self, folder: str, messages: list[bytes], user: str = USER) -> None:
        """Append messages to a folder that is made for it; `folder` as it is on the wire."""
        with self.client(user) as box:
            box.create(folder)
            for start in range(0, len(messages), 500):
                parts = [b"X%d APPEND %s" % (start, folder.encode())]
                for raw in messages[start : start + 500]:
                    parts += [b" {%d+}\r\n" % len(raw), raw]
                box.send(b"".join([*parts, b"\r\n"]))
                while not (line := box.readline()).startswith(b"X"):
                    assert line, "the server is gone"
                assert b" OK" in line, line

    def copy(self, folder: str, target: str, user: str = USER) -> None:
        with self.client(user) as box:
            box.create(target)
            box.select(folder, readonly=True)
            assert box.copy("1:*", target)[0] == "OK"

    def flag(self, folder: str, uids: str, flags: str, user: str = USER) -> None:
        with self.client(user) as box:
            box.select(folder)
            assert box.uid("store", uids, "+FLAGS", f"({flags})")[0] == "OK"

    def drop(self, folder: str, user: str = USER) -> None:
        with self.client(user) as box:
            box.delete(folder)

    def snapshot(self, folder: str, user: str = USER) -> dict[int, tuple[frozenset[bytes], str]]:
        """Flags and digest of every message by UID; \\Recent left out, it is a session's."""
        with self.client(user) as box:
            box.select(folder, readonly=True)
            _, data = box.uid("fetch", "1:*", "(UID FLAGS BODY.PEEK[])")
        found = {}
        for item in data:
            if isinstance(item, tuple):
                head, raw = item
                uid = int(head.split(b"UID ")[1].split()[0])
                flags = frozenset(imaplib.ParseFlags(head)) - {b"\\Recent"}
                found[uid] = (flags, hashlib.sha256(raw).hexdigest())
        return found
