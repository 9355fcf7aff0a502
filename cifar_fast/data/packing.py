"""What a packed file unfolds to, as a stream of bytes with an end."""
import zlib

ALL_BYTES = 400 << 20  # of a data set; CIFAR's take 184 MB
CHUNK, PARTS = 1 << 18, 10_000


class Stream:
    """What a .tar.gz, or a .tar, unfolds to, up to `limit` bytes of it: a small archive can't become a huge one."""

    def __init__(self, file, limit):
        self.chunks, self.rest, self.left, self.limit = _unfolded(file, limit), b"", limit, limit

    def read(self, size):
        """The next bytes; fewer only at the end. Raises ValueError past the limit."""
        return b"".join(self._take(size))

    def skip(self, size):
        for _ in self._take(size):
            pass

    def _take(self, size):
        while size > 0:
            self.rest = self.rest or next(self.chunks, b"")
            part, self.rest = self.rest[:size], self.rest[size:]
            if not part:
                return
            self.left -= len(part)
            if self.left < 0:
                raise ValueError(f"it unfolds to more than {self.limit >> 20} MiB")
            size -= len(part)
            yield part


def _unfolded(file, limit):
    """Chunks of up to CHUNK bytes; of a gzip's every part the checksum is verified. Raises EOFError, zlib.error."""
    packed = file.read(CHUNK)
    if packed[:2] != b"\x1f\x8b":
        while packed:
            yield packed
            packed = file.read(CHUNK)
        return
    taken = len(packed)
    for _ in range(PARTS):
        inflate = zlib.decompressobj(wbits=31)
        while not inflate.eof:
            if not packed:
                packed = file.read(CHUNK)
                taken += len(packed)
                if not packed or taken > limit:
                    raise EOFError("it ends too early" if not packed else "it is too large")
            data = inflate.decompress(packed, CHUNK)
            packed = inflate.unconsumed_tail
            if data:
                yield data
        packed = inflate.unused_data or file.read(CHUNK)
        if not packed.strip(b"\0"):  # the end, or what tapes are filled up with
            return
    raise ValueError(f"it is packed in more than {PARTS} parts")
