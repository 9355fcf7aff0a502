"""Decoding against keras.utils.load_img, pixel by pixel; files that are damaged or lie about their size."""
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from keras.utils import img_to_array, load_img
from PIL import Image

from cifar_fast.data.decode import RESAMPLE, SIDE, DamagedImage, decode, decode_all

KERAS_MODES = {"L": "grayscale", "RGB": "rgb", "RGBA": "rgba"}


def pixels(shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A file of every kind that Pillow reads differently."""
    path = tmp_path_factory.mktemp("images")
    for i, (name, shape) in enumerate({"rgb.png": (9, 13, 3), "rgba.png": (10, 6, 4), "grey.png": (7, 8),
                                       "both.png": (8, 12, 2), "rgb.jpg": (21, 16, 3), "grey.jpeg": (12, 12),
                                       "rgb.bmp": (5, 9, 3), "rgb.ppm": (6, 5, 3), "rgb.tif": (11, 4, 3),
                                       "rgb.webp": (9, 9, 3), "rgb.gif": (9, 11, 3)}.items()):
        Image.fromarray(pixels(shape, seed=i)).save(path / name)
    Image.fromarray(pixels((9, 12), np.uint16)).save(path / "deep.png")
    Image.fromarray(pixels((9, 12), np.uint16).astype(np.int32)).save(path / "deep.tif")
    Image.fromarray(pixels((9, 7, 4))).convert("CMYK").save(path / "cmyk.jpg")
    Image.fromarray(pixels((8, 9, 3))).convert("P").save(path / "palette.png", transparency=3)
    Image.fromarray(pixels((8, 9)) > 90).save(path / "bits.png")
    return path


def keras(path, mode, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return img_to_array(load_img(path, KERAS_MODES[mode], **options))


@pytest.mark.parametrize("mode", KERAS_MODES)
@pytest.mark.parametrize("size", [None, (6, 9), (16, 5)])
@pytest.mark.filterwarnings("ignore:Palette images")
def test_pixels_are_those_of_load_img(folder, mode, size):
    files = sorted(folder.iterdir())
    for path in files:
        for resample in RESAMPLE if size else ("nearest",):
            for fit in ("stretch", "crop") if size else ("stretch",):
                got = decode(path, size, mode, resample, fit, deep=True)
                expected = keras(path, mode, target_size=size, interpolation=resample, keep_aspect_ratio=fit == "crop")
                np.testing.assert_array_equal(got, expected)
                assert got.dtype == (np.int32 if mode == "L" and path.stem == "deep" else np.uint8)
    assert len(files) == 16


def test_padding_keeps_the_whole_image_and_its_ratio(tmp_path):
    Image.fromarray(np.full((10, 20, 3), 200, np.uint8)).save(tmp_path / "wide.png")
    padded = decode(tmp_path / "wide.png", (8, 8), resample="bilinear", fit="pad")
    np.testing.assert_array_equal(padded[2:6], 200)
    assert not padded[:2].any() and not padded[6:].any()


def test_deep_greys_are_brought_to_8_bits_unless_asked_for(folder):
    assert decode(folder / "deep.png", mode="L").dtype == np.uint8


@pytest.mark.parametrize("workers", [1, 3, None])
def test_many_files_are_each_where_they_belong(tmp_path, workers):
    images = pixels((50, 6, 5, 3))
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{i:02}.png")
    sources = sorted(tmp_path.iterdir())
    done = []
    np.testing.assert_array_equal(decode_all(sources, workers=workers, report=done.append), images)
    assert done == [16, 32, 48, 50]
    out = np.zeros((50, 3, 4, 1), np.uint8)
    assert decode_all(sources, (3, 4), "L", "box", out=out, workers=workers) is out
    np.testing.assert_array_equal(out[49], decode(sources[49], (3, 4), "L", "box"))
    streams = [io.BytesIO(path.read_bytes()) for path in sources]
    np.testing.assert_array_equal(decode_all(streams, workers=workers), images)


def test_the_first_wrong_file_is_named_and_the_rest_left_alone(tmp_path):
    for i in range(60):
        Image.fromarray(pixels((4, 4, 3))).save(tmp_path / f"{i:02}.png")
    (tmp_path / "20.png").write_bytes(b"no image")
    (tmp_path / "41.png").write_bytes(b"none either")
    with pytest.raises(ValueError, match="20.png: can't be read as an image"):
        decode_all(sorted(tmp_path.iterdir()))
    Image.fromarray(pixels((4, 5, 3))).save(tmp_path / "20.png")
    with pytest.raises(ValueError, match="20.png: is 4×5, and .*00.png is 4×4"):
        decode_all(sorted(tmp_path.iterdir()))


def png(width, height):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(100))),
              (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def test_damaged_and_hostile_files_are_named_whatever_pillow_raises(tmp_path):
    path, whole = tmp_path / "bad.png", io.BytesIO()
    Image.fromarray(pixels((30, 30, 3))).save(whole, "PNG")
    random = np.random.default_rng(0)
    for content in (b"", b"\x89PNG\r\n\x1a\n", png(60000, 60000), png(0, 5), whole.getvalue()[:500],
                    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", random.bytes(2000)):
        path.write_bytes(content)
        with pytest.raises(DamagedImage, match="bad.png: can't be read as an image"):
            decode(path, (8, 8))
    assert issubclass(DamagedImage, ValueError) and issubclass(DamagedImage, OSError)
    for _ in range(200):  # a bit turned somewhere
        content = bytearray(whole.getvalue())
        content[random.integers(len(content))] ^= 1 << random.integers(8)
        path.write_bytes(content)
        try:
            decode(path)
        except DamagedImage as error:
            assert "bad.png" in str(error)
    with pytest.raises(FileNotFoundError, match="gone.png"):
        decode(tmp_path / "gone.png")


@pytest.mark.parametrize("arguments, part", [
    ({"mode": "CMYK"}, "mode='CMYK'"), ({"resample": "cubic"}, "resample='cubic'"), ({"fit": "cover"}, "fit='cover'"),
    ({"size": (0, 4)}, r"size=\(0, 4\)"), ({"size": (4,)}, "size="), ({"out": np.zeros((1, 2, 2, 3))}, "out of shape")])
def test_wrong_arguments_are_named(folder, arguments, part):
    with pytest.raises(ValueError, match=part):
        decode_all([folder / "rgb.png"], **arguments)
    with pytest.raises(ValueError, match="sources"):
        decode_all([])


def test_millions_of_rows_are_refused_where_a_limit_is_asked_for(tmp_path):
    Image.new("L", (4, SIDE + 1)).save(tmp_path / "tall.png")
    assert decode(tmp_path / "tall.png", (4, 4), "L").shape == (4, 4, 1)
    with pytest.raises(DamagedImage, match="tall.png: .*it declares .*32769 pixels"):
        decode(tmp_path / "tall.png", (4, 4), "L", most=1 << 26)
