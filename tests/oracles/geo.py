"""Geography by bisection over lists of (first address, record or None)."""

import bisect
import ipaddress

UNKNOWN, NO_ADDRESS = -1, -2


class Ranges:
    def __init__(self, ipv4, ipv6, six_to_four=False, teredo=False, compatible=False):
        self.ipv4, self.ipv6 = sorted(ipv4), sorted(ipv6)
        self.embedding = [(ipaddress.ip_network("::ffff:0:0/96"), 0)]
        if six_to_four:
            self.embedding.append((ipaddress.ip_network("2002::/16"), 80))
        if teredo:
            self.embedding.append((ipaddress.ip_network("2001::/32"), 64))
        if compatible:
            self.embedding.append((ipaddress.ip_network("::/96"), 0))

    def find(self, address) -> int:
        """Record of an ipaddress object."""
        if address.version == 6:
            for network, shift in self.embedding:
                if address in network:
                    return self._search(self.ipv4, int(address) >> shift & 0xFFFFFFFF)
            return self._search(self.ipv6, int(address))
        return self._search(self.ipv4, int(address))

    @staticmethod
    def _search(ranges, number) -> int:
        at = bisect.bisect_right([start for start, _ in ranges], number) - 1
        return UNKNOWN if at < 0 or ranges[at][1] is None else ranges[at][1]

    def find_text(self, text) -> int:
        """Record of an address as str or bytes."""
        if isinstance(text, bytes):
            try:
                text = text.decode("ascii")
            except UnicodeDecodeError:
                return NO_ADDRESS
        if not text.isascii() or "%" in text:
            return NO_ADDRESS
        try:
            return self.find(ipaddress.ip_address(text))
        except ValueError:
            return NO_ADDRESS
