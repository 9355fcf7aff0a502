"""Decoding into the cache and finding it there: forms, damage, killed writers, full and forbidden folders, bombs."""
import contextlib
import errno
import fcntl
import io
import os
import struct
import time
import zlib

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from cifar_fast.data import decode
from cifar_fast.data.labelled import cache, cachefile
from cifar_fast.data.labelled.cache import Form
from cifar_fast.data.rows import Rows
from cifar_fast.errors import UserError
from cifar_fast.system import files
from tests.support import pictures


def source(contents):
    """`cache.pixels`'s sources for a dict of names and bytes; its last entry counts the images that were opened."""
    opened = []

    def read(keys):
        for key in keys:
            yield key, lambda key=key: opened.append(key) or io.BytesIO(contents[key])
    return [(list(contents), read)], opened


def pixels(contents, folder, form=None, key=("it",)):
    return cache.pixels(source(contents)[0], form or Form(), folder, list(key))


def pngs(images):
    return {f"{i:02}.png": pictures.encoded(image) for i, image in enumerate(images)}


@pytest.mark.parametrize("held", [True, False])
def test_the_second_time_nothing_is_opened(held, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "fits", lambda _: held)
    images, _ = pictures.drawn(30)
    sources, opened = source(pngs(images))
    for again in range(2):
        opened.clear()
        found, kept, note = cache.pixels(sources, Form(), tmp_path / "new" / "cache", ["it"])
        np.testing.assert_array_equal(found, images)
        assert kept.tolist() == list(range(30)) and ("from the cache" in note) == bool(again) == (not opened)
        assert isinstance(found, np.memmap) != held
    assert len(list((tmp_path / "new" / "cache").iterdir())) == 1


def test_other_files_and_other_forms_have_other_names(tmp_path):
    contents = pngs(pictures.drawn(4)[0])
    for number, (form, key) in enumerate([(Form(), ["a"]), (Form(), ["b"]), (Form(), ["a", "b"]), (Form(), ["ab"]),
                                          (Form((5, 5)), ["a"]), (Form((5, 5), "crop"), ["a"]),
                                          (Form(channels="grey"), ["a"])], 1):
        assert "decoded" in pixels(contents, tmp_path, form, key)[2]
        assert len(list(tmp_path.iterdir())) == number


@pytest.mark.parametrize("channels, kinds, expected", [
    ("auto", ["L", "L"], 1), ("auto", ["L", "RGB"], 3), ("auto", ["RGBA", "RGB"], 3), ("auto", ["RGBA", "LA"], 4),
    ("auto", ["1", "I;16"], 1), ("auto", ["P", "L"], 3), ("grey", ["RGB", "RGBA"], 1), ("rgb", ["L", "L"], 3),
    ("rgba", ["L", "RGB"], 4)])
def test_channels(channels, kinds, expected, tmp_path):
    contents = {}
    for number, kind in enumerate(kinds):
        stream = io.BytesIO()
        Image.new(kind, (6, 5), 1).save(stream, "png")
        contents[f"{number}.png"] = stream.getvalue()
    found, *_ = pixels(contents, tmp_path, Form(channels=channels))
    assert found.shape == (2, 5, 6, expected)
    given, *_ = pixels(contents, tmp_path, Form((7, 8), "pad", channels))
    assert given.shape == (2, 7, 8, expected)


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_sizes_are_reached_as_decode_reaches_them(resize, tmp_path):
    contents = {f"{size}": pictures.encoded(pictures.drawn(1, (*size, 3))[0][0])
                for size in ((9, 30), (40, 11), (6, 6))}
    found, *_ = pixels(contents, tmp_path, Form((12, 16), resize))
    for image, data in zip(found, contents.values(), strict=True):
        np.testing.assert_array_equal(image, decode.decode(io.BytesIO(data), (12, 16), "RGB", "lanczos", resize))


def test_photographs_are_decoded_at_a_part_of_their_size_and_hardly_differ(tmp_path):
    smooth = np.asarray(Image.fromarray(pictures.drawn(1, (6, 6, 3))[0][0]).resize((256, 256), Image.BICUBIC))
    data = pictures.encoded(smooth, "jpeg")
    found, *_ = pixels({"it.jpg": data}, tmp_path, Form((32, 32)))
    whole = decode.decode(io.BytesIO(data), (32, 32), "RGB", "lanczos")
    assert np.abs(found[0].astype(int) - whole).max() <= 4


def test_images_of_different_sizes_need_one(tmp_path):
    contents = pngs([*pictures.drawn(2, (8, 9, 3))[0], *pictures.drawn(1, (9, 8, 3))[0]])
    with pytest.raises(UserError, match="--image_size: the images have several sizes .00.png: 8×9, 02.png: 9×8"):
        pixels(contents, tmp_path)
    with pytest.raises(UserError, match="--image_size: the images have 3×3 pixels"):
        pixels(pngs(pictures.drawn(2, (3, 3, 3))[0]), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", [Form(), Form((8, 9), channels="rgb")])
@pytest.mark.parametrize("held", [True, False])
def test_damaged_images_are_named_and_counted_or_left_out(form, held, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "fits", lambda _: held)
    images, _ = pictures.drawn(9)
    contents = pngs(images)
    contents["03.png"], contents["07.png"] = contents["03.png"][:90], b"text"
    for _ in range(2):
        with pytest.raises(UserError, match=r"2 of 9 images can't be decoded \(03.png: .*; 07.png: no image of a known"
                           r" format\); .*--skip_damaged"):
            pixels(contents, tmp_path, form)
        found, kept, note = pixels(contents, tmp_path, form._replace(skip_damaged=True))
        np.testing.assert_array_equal(np.asarray(found), np.delete(images, [3, 7], 0))
        assert kept.tolist() == [0, 1, 2, 4, 5, 6, 8] and "2 damaged left out (03.png" in note
        assert isinstance(found, Rows) != held
    with pytest.raises(UserError, match="2 of 2 images"):
        pixels({"a": b"", "b": b"x"}, tmp_path, form._replace(skip_damaged=True))


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d[:40], lambda d: b"", lambda d: d[:-8] + bytes(8),
                                    lambda d: d[:-8] + b"\xff" * 8, lambda d: b"x" + d,
                                    lambda d: d.replace(b'"shape": [4', b'"shape": [5')])
def test_a_cache_file_that_is_not_as_it_was_written_is_written_anew(damage, tmp_path):
    images, _ = pictures.drawn(4)
    pixels(pngs(images), tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    found, _, note = pixels(pngs(images), tmp_path)
    np.testing.assert_array_equal(found, images)
    assert "decoded" in note and "from the cache" in pixels(pngs(images), tmp_path)[2]


def test_a_folder_that_cant_be_written_matters_only_for_what_does_not_fit(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    images, _ = pictures.drawn(4)
    found, _, note = pixels(pngs(images), tmp_path / "file" / "cache")
    np.testing.assert_array_equal(found, images)
    assert "not cached (" in note
    monkeypatch.setattr(cache, "fits", lambda _: False)
    with pytest.raises(UserError, match="--cache_dir=.*file.*can't be written"):
        pixels(pngs(images), tmp_path / "file" / "cache")


def test_a_full_disk_matters_only_for_what_does_not_fit_and_keeps_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    images, _ = pictures.drawn(4)
    found, _, note = pixels(pngs(images), tmp_path)  # they are in memory, and the next run decodes them anew
    np.testing.assert_array_equal(found, images)
    assert "not cached (" in note and "No space left on device)" in note and not list(tmp_path.iterdir())
    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(cache, "fits", lambda _: False)
    with pytest.raises(UserError, match="No space left on device"):
        pixels(pngs(pictures.drawn(4)[0]), tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_killed_writers_left_is_swept_out_and_what_living_ones_write_is_not(tmp_path):
    dead, living = (tmp_path / f"{files.TEMPORARY}{name}.images" for name in ("dead", "living"))
    dead.write_bytes(b"half")
    with living.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        pixels(pngs(pictures.drawn(4)[0]), tmp_path)
        assert living.exists() and not dead.exists()


def png_bomb(width, height):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(1000))),
              (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def huge(form):
    """A small file of a format that declares 30,000×30,000 pixels; of WebP 40×40."""
    small = pictures.encoded(pictures.drawn(1, (16, 16, 3))[0][0], form)
    if form == "png":
        return png_bomb(30_000, 30_000)
    if form == "gif":
        return small[:6] + struct.pack("<HH", 30_000, 30_000) + small[10:]
    if form == "bmp":
        return small[:18] + struct.pack("<ii", 30_000, 30_000) + small[26:]
    if form == "jpeg":
        place = small.index(b"\xff\xc0")
        return small[:place + 5] + struct.pack(">HH", 30_000, 30_000) + small[place + 9:]
    if form == "tiff":
        data = bytearray(small)
        at = struct.unpack("<I", data[4:8])[0]
        for entry in range(struct.unpack("<H", data[at:at + 2])[0]):
            place = at + 2 + 12 * entry
            if struct.unpack("<H", data[place:place + 2])[0] in (256, 257):
                data[place + 2:place + 12] = struct.pack("<HII", 4, 1, 30_000)
        return bytes(data)
    return pictures.encoded(pictures.drawn(1, (40, 40, 3))[0][0], "webp")  # it declares its size in several places


@pytest.mark.parametrize("form", ["png", "gif", "bmp", "jpeg", "tiff", "webp"])
def test_bombs_of_each_format_are_refused_by_what_they_declare(form, tmp_path, monkeypatch):
    bomb = {f"bomb.{form}": huge(form)}
    if form == "webp":
        monkeypatch.setattr(cache, "PIXELS", 1000)
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *_, **__: pytest.fail("decoded"))
    for asked in (Form(), Form((8, 8), channels="rgb")):
        with pytest.raises(UserError, match=r"1 of 1 images can't be decoded \(bomb.*(pixels|exceeds limit)"):
            pixels(bomb, tmp_path, asked)


def test_arrays_take_the_form_of_files(tmp_path):
    images, _ = pictures.drawn(5, (10, 8, 3))
    contents = pngs(images)
    for form in (Form(), Form((6, 6)), Form((12, 6), "crop"), Form(channels="grey"), Form((6, 6), "pad", "rgba")):
        np.testing.assert_array_equal(cache.formed(images, form), pixels(contents, tmp_path, form)[0])
    assert cache.formed(images, Form((10, 8), channels="rgb")) is images
    assert cache.formed(images[..., :2], Form()).shape == (5, 10, 8, 2)
    with pytest.raises(UserError, match="images of 2 channels"):
        cache.formed(images[..., :2], Form((4, 4)))


@pytest.mark.parametrize("held", [True, False])
def test_images_that_are_gone_are_missed(held, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "fits", lambda _: held)
    (keys, read), = source(pngs(pictures.drawn(4)[0]))[0]
    with pytest.raises(UserError, match="1 of 4 images were gone"):
        cache.pixels([(keys, lambda keys: read(keys[:3]))], Form(), tmp_path, ["it"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("held", [True, False])
def test_an_archive_that_cant_be_read_is_no_fault_of_the_cache(held, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "fits", lambda _: held)
    contents, looked = pngs(pictures.drawn(20)[0]), []

    def read(keys):
        for number, key in enumerate(keys):
            if looked and number == 10:
                raise OSError(errno.EIO, os.strerror(errno.EIO), "photos.tar")
            yield key, lambda key=key: io.BytesIO(contents[key])
        looked.append(True)  # at the first image, for the size of all

    with pytest.raises(UserError, match="^photos.tar: can't be read .Input/output error"):
        cache.pixels([(list(contents), read)], Form(), tmp_path, ["it"])
    assert looked and not list(tmp_path.iterdir())


@pytest.mark.parametrize("kinds", ["RGB", "LRGB"])
def test_nothing_is_put_after_the_decoding_ended(kinds, tmp_path, monkeypatch):
    """Whether by an error or to begin anew: the file is closed then, and its descriptor may be another's."""
    contents = {f"{i:02}.png": pictures.encoded(np.zeros((6, 5 + (i == 3 and kinds == "RGB"), 3), np.uint8))
                for i in range(60)}
    if kinds == "LRGB":
        contents |= {f"{i:02}.png": pictures.encoded(np.zeros((6, 5, 1), np.uint8)) for i in range(3)}
    write, late = cachefile.Writer.write, []

    def slow(self, row, image):
        time.sleep(0.01)
        late.append(self._file.closed)
        write(self, row, image)

    monkeypatch.setattr(cachefile.Writer, "write", slow)
    if kinds == "LRGB":
        assert pixels(contents, tmp_path)[0].shape == (60, 6, 5, 3)
    else:
        with pytest.raises(UserError, match="several sizes"):
            pixels(contents, tmp_path)
    time.sleep(0.1)
    assert late and not any(late)


def test_a_stopped_decoding_leaves_nothing(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cache.decode, "looked_at", stop)
    with contextlib.suppress(KeyboardInterrupt):
        pixels(pngs(pictures.drawn(40)[0]), tmp_path)
        raise AssertionError("not stopped")
    assert not list(tmp_path.iterdir())
