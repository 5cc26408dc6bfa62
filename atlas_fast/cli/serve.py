"""`serve`: the web interface over a store."""

from __future__ import annotations

import argparse
import gc
import sys
from typing import Any

from atlas_fast.cli.run import DEFAULT_STORE
from atlas_fast.cli.values import whole
from atlas_fast.errors import UsageError, extra


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "serve",
        help="the web interface: what came in, what was decided and why, how fast",
        description="Serve pages over a store until Ctrl-C. Only this machine reaches them; "
        "another --host needs a login in the settings. Needs the extra web.",
    )
    parser.add_argument(
        "--store", metavar="FILE", default=DEFAULT_STORE, help="SQLite file (default: %(default)s)"
    )
    parser.add_argument("--host", metavar="ADDRESS", help="where to listen (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=whole(0, 65_535), metavar="N", help="default: 8001; 0 takes a free one"
    )
    parser.add_argument(
        "--name", action="append", metavar="HOST",
        help="a host name that browsers call it by; may be given again",
    )  # fmt: skip
    parser.add_argument("--tls-cert", metavar="FILE", help="serve https with this certificate")
    parser.add_argument("--tls-key", metavar="FILE", help="and this key")
    parser.add_argument(
        "--hash", action="store_true",
        help="read a password or token from standard input, print the hash for the settings, end",
    )  # fmt: skip
    parser.set_defaults(do=do_serve)


def do_serve(options: argparse.Namespace) -> int:
    try:
        import uvicorn

        from atlas_fast.web.app import create_app
        from atlas_fast.web.sessions import hash_of
        from atlas_fast.web.settings import checked, of_file
    except ImportError as error:
        raise UsageError(f"serve needs {error.name}: {extra('web')}") from error
    if options.hash:
        print(hash_of(_secret()))
        return 0
    if bool(options.tls_cert) != bool(options.tls_key):
        raise UsageError("--tls-cert and --tls-key go together")
    settings = checked(
        of_file(), host=options.host, port=options.port,
        names=tuple(name.lower() for name in options.name) if options.name else None,
        https=True if options.tls_cert else None,
    )  # fmt: skip
    app = create_app(options.store, settings)
    gc.freeze()  # what is there by now stays: no collection has to look at it again
    gc.set_threshold(20_000)  # a page of rows is more than the default, and leaves no cycles
    config = uvicorn.Config(
        app, host=settings.host, port=settings.port,
        log_level="warning", access_log=False, server_header=False, proxy_headers=False,
        ssl_certfile=options.tls_cert, ssl_keyfile=options.tls_key, timeout_graceful_shutdown=3,
        ws="none", h11_max_incomplete_event_size=64 << 10, limit_concurrency=200,
    )  # fmt: skip
    server = uvicorn.Server(config)
    sockets = [config.bind_socket()]
    sockets[0].listen(128)  # who comes before the application is up waits, and is not turned away
    scheme = "https" if options.tls_cert else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    port = sockets[0].getsockname()[1]
    print(f"{options.store} at {scheme}://{host}:{port}/", file=sys.stderr, flush=True)
    server.run(sockets)
    return 0


def _secret() -> str:
    """A line of standard input; on a terminal it is not shown."""
    if sys.stdin is None:
        raise UsageError("--hash: standard input is closed")
    if sys.stdin.isatty():
        from getpass import getpass

        found = getpass("Password or token: ")
    else:
        found = sys.stdin.readline().rstrip("\n")
    if len(found) < 12:
        raise UsageError("--hash: use at least 12 characters")
    return found
