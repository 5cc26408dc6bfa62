"""A TCP proxy that breaks connections when it is told to."""

import contextlib
import socket
import struct
import threading


class Breakable:
    """Forwards to a port on loopback.

    `cut_at`: bytes, counted over both directions and all connections, after which the connection
    that carries them is reset, once. `total` counts what went through. `edit(data, from_server)`
    may change bytes on their way.
    """

    def __init__(self, port, edit=None):
        self.target = port
        self.edit = edit
        self.cut_at = None
        self.cuts = 0
        self.total = 0
        self._lock = threading.Lock()
        self._open = set()
        self._closed = False
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
                closed = self._closed
            if closed:
                self.drop_all()
                return
            for source, sink, down in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(source, sink, down), daemon=True).start()

    def _pump(self, source, sink, from_server):
        try:
            while data := source.recv(1 << 14):
                if self.edit is not None:
                    data = self.edit(data, from_server)
                with self._lock:
                    self.total += len(data)
                    over = None if self.cut_at is None else self.total - self.cut_at
                    cut = over is not None and over >= 0
                    if cut:
                        self.cut_at = None
                        self.cuts += 1
                        data = data[: len(data) - over]
                sink.sendall(data)
                if cut:
                    break
        except OSError:
            pass
        for one in (source, sink):
            self._reset(one)

    def _reset(self, one):
        with self._lock:
            if one not in self._open:
                return
            self._open.discard(one)
        with contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()

    def drop_all(self):
        """Reset whatever is connected now."""
        for one in list(self._open):
            self._reset(one)

    def close(self):
        with self._lock:
            self._closed = True
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)
        self.drop_all()
