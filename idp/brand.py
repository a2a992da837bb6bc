"""What may an operator bring for a look of its own? A logo in a small file, and colours; what cannot be one is refused."""

from __future__ import annotations

from pathlib import Path

COLOUR = "^(#[0-9a-fA-F]{6})?$"
LARGEST_LOGO = 100_000


def logo(path: Path) -> bytes:
    """The file, when it is a PNG or SVG that a page can carry. Raises ValueError."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_LOGO + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    looks = {".png": content.startswith(b"\x89PNG\r\n\x1a\n"), ".svg": b"<svg" in content}
    if not looks.get(path.suffix.lower()):
        raise ValueError("must be a PNG or SVG file, with that ending")
    if len(content) > LARGEST_LOGO:
        raise ValueError("must have at most 100 KB: every page shows it")
    return content
