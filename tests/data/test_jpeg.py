"""JPEGs by libjpeg-turbo against Pillow's, pixel by pixel; which ones are left to Pillow."""
import io

import numpy as np
import pytest
from PIL import Image

from cifar_fast.data import jpeg


def file(height, width, seed, mode="RGB", **options):
    """The bytes of a JPEG whose colours change slowly."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8))
    data = io.BytesIO()
    coarse.resize((width, height), Image.BICUBIC).convert(mode).save(data, "JPEG", **options)
    return data.getvalue()


def pillow(data, mode, size):
    image = Image.open(io.BytesIO(data))
    looks = image.height, image.width, image.mode
    if size:
        image.draft(mode, size[::-1])
    pixels = np.asarray(image.convert(mode))
    return looks, pixels.reshape(*pixels.shape[:2], -1)


@pytest.mark.parametrize("kind", [{"mode": "L"}, {"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2},
                                  {"progressive": True}, {"quality": 30, "restart_marker_blocks": 3}], ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size", [None, (4, 4), (10, 7), (33, 20)])
def test_pixels_are_those_of_pillow(kind, mode, size):
    for seed, shape in enumerate([(1, 1), (8, 8), (9, 31), (64, 64), (67, 41), (80, 133), (300, 200)]):
        data = file(*shape, seed, **kind)
        if mode == "L" and not size and "mode" not in kind:  # Pillow makes colours grey by another formula
            assert jpeg.decoded(io.BytesIO(data), mode, size) is None
            continue
        (height, width, colours), pixels = jpeg.decoded(io.BytesIO(data), mode, size)
        looks, expected = pillow(data, mode, size)
        assert (height, width, colours) == looks
        np.testing.assert_array_equal(pixels, expected)


def test_what_is_left_to_pillow():
    def left(data, mode="RGB", **options):
        source = io.BytesIO(data)
        return jpeg.decoded(source, mode, **options) is None and source.tell() == 0

    whole = file(40, 50, 0)
    assert not left(whole) and not left(whole, most=2000)
    assert left(whole, most=1999) and left(whole, "RGBA") and left(whole, "L")
    assert left(whole[:-40]) and left(whole[:30]) and left(b"") and left(b"\xff\xd8") and left(b"GIF89a")
    assert left(file(20, 20, 1, "CMYK")) and left(file(20, 20, 1, keep_rgb=True))
    assert left(file(4, jpeg.SIDE + 1, 2)) and left(whole + bytes(jpeg.BYTES))
    bomb = bytearray(whole)
    frame = bomb.index(b"\xff\xc0")
    bomb[frame + 5:frame + 9] = b"\xff\xff\xff\xff"  # the height and width that it declares
    assert left(bytes(bomb))


def test_a_damaged_file_gives_the_pixels_of_pillow_or_is_left_to_it():
    whole, rng, same = file(40, 50, 0), np.random.default_rng(0), 0
    for _ in range(300):  # a bit turned somewhere
        data = bytearray(whole)
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        if found := jpeg.decoded(io.BytesIO(data), "RGB"):
            np.testing.assert_array_equal(found[1], pillow(bytes(data), "RGB", None)[1])
            same += 1
    assert 0 < same < 300
