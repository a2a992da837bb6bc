"""May this file be shown as an app's logo, and what is left of it? A picture of our own making, never the bytes given.

A stranger chose the file, of at most `logos.MOST` bytes. Only four well-known kinds are opened, the size is known before anything is decoded, and what
comes out holds pixels alone: no names, places, profiles or second files that were hidden behind them.
"""

from __future__ import annotations

import io
import threading
import warnings

from PIL import Image, ImageOps

SIDE = 192
"""Pixels of a side of what we show: twice the largest place that a page has for it, and some."""
MOST_PIXELS = 4_000_000
"""They cost four bytes each while one logo is read."""
LONGEST = 4_096
"""Pixels of a side."""
MOST_SCANS = 64
"""How often a JPEG may paint over itself. Ten is usual; thousands fit in a small file, and cost minutes."""
FEWEST = 16
"""Pixels of a side: what is smaller is a blur, or no logo at all."""
LARGE = 32 * 1024
"""Bytes above which a picture gets a palette: children wait for it, and nobody sees the difference at this size."""
KINDS = ("PNG", "JPEG", "WEBP", "GIF")
_one_at_a_time = threading.Lock()
"""What a process needs for reading logos does not grow with how many arrive."""

warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class NotALogo(Exception):
    """We do not show this file; `because` is a few words for who sent it."""

    def __init__(self, because: str) -> None:
        super().__init__(because)
        self.because = because


def drawn(content: bytes) -> bytes:
    """A square PNG with this picture in its middle; of one that moves, the first frame. Raises NotALogo."""
    if content.count(b"\xff\xda") > MOST_SCANS and content.startswith(b"\xff\xd8"):
        raise NotALogo(f"the JPEG has more than {MOST_SCANS} scans")
    try:
        with _one_at_a_time:
            return _png(_decoded(content))
    except NotALogo:
        raise
    except Exception as failure:  # noqa: BLE001 - decoders that strangers feed may raise anything
        if _is_svg(content):
            raise NotALogo(
                "an SVG is a program as well as a picture: give a PNG, JPEG, WebP or GIF"
            ) from None
        if isinstance(failure, Image.DecompressionBombError | Image.DecompressionBombWarning):
            raise NotALogo(_TOO_MANY) from None
        raise NotALogo("the file is no sound PNG, JPEG, WebP or GIF") from None


_TOO_MANY = f"the picture has more than {MOST_PIXELS} pixels, or a side of more than {LONGEST}"


def _decoded(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=KINDS) as picture:
        wide, high = picture.size
        if wide * high > MOST_PIXELS or max(wide, high) > LONGEST:
            raise NotALogo(_TOO_MANY)
        if min(wide, high) < FEWEST:
            raise NotALogo(f"the picture is smaller than {FEWEST} by {FEWEST} pixels")
        picture.load()
        return ImageOps.exif_transpose(picture).convert("RGBA")


def _png(picture: Image.Image) -> bytes:
    """Only pixels go on: they are copied onto a new square."""
    fitting = ImageOps.contain(picture, (SIDE, SIDE), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    square.paste(fitting, ((SIDE - fitting.width) // 2, (SIDE - fitting.height) // 2))
    plain = _saved(square)
    return plain if len(plain) <= LARGE else _saved(square.quantize(256, Image.Quantize.FASTOCTREE))


def _saved(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def _is_svg(content: bytes) -> bool:
    return b"<svg" in content[:4096].lower()
