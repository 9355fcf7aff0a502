"""Damage to a good file."""

TOKENS = [b"\xff\xff\xff\x7f", b"\xff" * 8, b"\0" * 8, b"\x80", b"(", b".", b"R", b"b", b"cos\nsystem\n", b"c", b"o",
          b"i", b"\x93", b"\x81", b"\x92", b"Q", b"P0\n", b"\x82\x01", b"../", b"/etc/passwd\0", b"PK\1\2", b"{", b"']"]


def mutated(data, rng, where=1.0):
    """A copy with up to eight changes, within its first part of relative length `where`."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        if not data:
            break
        place = int(rng.integers(0, max(1, int(len(data) * where))))
        kind = rng.integers(7)
        if kind == 0:
            data[place] = rng.integers(256)
        elif kind == 1:
            data[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            del data[place:place + int(rng.integers(1, 60))]
        elif kind == 3:
            data[place:place] = rng.bytes(int(rng.integers(1, 20)))
        elif kind == 4:
            data[place:place + int(rng.integers(0, 9))] = TOKENS[rng.integers(len(TOKENS))]
        elif kind == 5:
            data[place:place] = data[int(rng.integers(len(data))):][:int(rng.integers(1, 600))]
        elif rng.random() < 0.3:
            del data[place:]
    return bytes(data)
