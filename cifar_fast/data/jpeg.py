"""JPEGs by libjpeg-turbo without Pillow round it (simplejpeg): the same pixels in a good half of the time.

What is not a whole, usual JPEG is left to Pillow, which says what is wrong with it.
"""
import io

import simplejpeg

START = b"\xff\xd8"
BYTES = 64 << 20  # of a file
PIXELS, SIDE = 1 << 26, 1 << 15  # that a file may declare
COLOURS = {"L": "GRAY", "RGB": "RGB"}


def decoded(file, mode, size=None, most=None):
    """Decodes a JPEG.

    Args:
      file: a file object opened for bytes. mode: "RGB", "L" or another.
      size: (height, width): decode at a half, a quarter or an eighth of the file's size, where that is still at least
        this, as `PIL.Image.Image.draft` does. None for all of it.
      most: how many pixels a file may declare; None for `PIXELS`.
    Returns:
      (height, width, "L" or "RGB"), what the file has; and its pixels, uint8 [height, width, 1 or 3], those that Pillow
      gives. None if the file is one for Pillow; it then stands at its beginning.
    """
    if not isinstance(file, io.IOBase) or not file.seekable():
        return None
    file.seek(0)
    found = _decoded(file, mode, size, min(most or PIXELS, PIXELS)) if file.read(len(START)) == START else None
    if not found:
        file.seek(0)
    return found


def _decoded(file, mode, size, most):
    data = START + file.read(BYTES)
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        # Pillow makes colours grey by another formula, unless `draft` lets it take the luminance.
        usual = colours == "Gray" or colours == "YCbCr" and (mode == "RGB" or size)
        large = len(data) >= BYTES or height * width > most or max(height, width) > SIDE
        if large or not usual or mode not in COLOURS:
            return None
        divisor = next(d for d in (8, 4, 2, 1) if d == 1 or size and min(height // size[0], width // size[1]) >= d)
        # The least of turbojpeg's scales that gives so many pixels is 1 / divisor.
        pixels = simplejpeg.decode_jpeg(data, COLOURS[mode], min_height=-(-height // divisor),
                                        min_width=-(-width // divisor))
    except ValueError:
        return None
    return (height, width, "L" if colours == "Gray" else "RGB"), pixels
