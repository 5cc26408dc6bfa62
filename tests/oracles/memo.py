"""A bounded table of sets of eight with second chance, and sealed entries, in plain Python."""

import struct

WAYS = 8


class Memo:
    def __init__(self, capacity: int, value_size: int, first: int = 1024):
        self.most = self.n_sets = 1
        while self.most * WAYS < capacity:
            self.most *= 2
        while self.n_sets < self.most and self.n_sets * WAYS < first:
            self.n_sets *= 2
        self.sets = [[None] * WAYS for _ in range(self.n_sets)]  # [key, expires, mark, value]
        self.hands = [0] * self.n_sets
        self.count = dict.fromkeys(("hits", "misses", "puts", "evictions", "expirations"), 0)

    def __len__(self):
        return sum(entry is not None for ways in self.sets for entry in ways)

    def get(self, key, now):
        ways = self.sets[key[0] % self.n_sets]
        for i, entry in enumerate(ways):
            if entry is not None and entry[0] == key:
                if entry[1] > now:
                    entry[2] = True
                    self.count["hits"] += 1
                    return entry[3]
                ways[i] = None
                self.count["expirations"] += 1
                break
        self.count["misses"] += 1
        return None

    def put(self, key, expires, value, now):
        if expires <= now:
            return
        while not self._has_room(key, now) and self.n_sets < self.most:
            self._double()
        at = key[0] % self.n_sets
        ways = self.sets[at]
        ways[self._place(at, ways, key, now)] = [key, expires, False, value]
        self.count["puts"] += 1

    def _has_room(self, key, now):
        ways = self.sets[key[0] % self.n_sets]
        return any(entry is None or entry[0] == key or entry[1] <= now for entry in ways)

    def _double(self):
        """What is there keeps its order."""
        entries = [entry for ways in self.sets for entry in ways if entry is not None]
        self.n_sets *= 2
        self.sets = [[None] * WAYS for _ in range(self.n_sets)]
        self.hands = [0] * self.n_sets
        for entry in entries:
            ways = self.sets[entry[0][0] % self.n_sets]
            ways[ways.index(None)] = entry

    def _place(self, at, ways, key, now):
        for i, entry in enumerate(ways):
            if entry is not None and entry[0] == key:
                return i
        for i, entry in enumerate(ways):
            if entry is None:
                return i
        for i, entry in enumerate(ways):
            if entry[1] <= now:
                self.count["expirations"] += 1
                return i
        while True:
            i = self.hands[at]
            self.hands[at] = (i + 1) % WAYS
            if not ways[i][2]:
                self.count["evictions"] += 1
                return i
            ways[i][2] = False


def seal(siphash, key, expires, value, stamp, secret) -> bytes:
    """Stamp, expiry, value, checksum; `siphash` is that of oracles/siphash.py."""
    body = struct.pack("<Qq", stamp, expires) + value
    mixed = (secret[0] ^ key[0], secret[1] ^ key[1])
    return body + struct.pack("<Q", siphash(mixed, body)[0])


def unseal(siphash, row, key, stamp, now, secret):
    """(state, value or None, expires)."""
    found, expires = struct.unpack_from("<Qq", row)
    if seal(siphash, key, expires, row[16:-8], found, secret) != row:
        return 3, None, expires
    if found != stamp:
        return 1, None, expires
    if expires <= now:
        return 2, None, expires
    return 0, row[16:-8], expires
