"""A name server on loopback for the tests: UDP, records from a dict, and names that never answer."""

import contextlib
import socket
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset


class Server:
    """`records`: {(name, type): [text, ...]}; names in `silent` get no answer; `asked` counts."""

    def __init__(self, records, silent=()):
        self.records = {(name.lower(), kind): texts for (name, kind), texts in records.items()}
        self.silent = {name.lower() for name in silent}
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.05)
        self.port = self.socket.getsockname()[1]
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._serve)

    def _serve(self):
        while not self.stopped.is_set():
            with contextlib.suppress(TimeoutError):
                data, peer = self.socket.recvfrom(4096)
                answer = self._answer(dns.message.from_wire(data))
                if answer is not None:
                    self.socket.sendto(answer.to_wire(max_size=65_000), peer)

    def _answer(self, query):
        question = query.question[0]
        name = question.name.to_text(True).lower()
        kind = question.rdtype.name
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        texts = self.records.get((name, kind))
        if texts:
            answer.answer.append(dns.rrset.from_text(question.name, 600, "IN", kind, *texts))
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

    def resolver(self, lifetime=1.0):
        found = dns.resolver.Resolver(configure=False)
        found.nameservers = ["127.0.0.1"]
        found.port = self.port
        found.lifetime = lifetime
        return found

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()
        self.socket.close()
