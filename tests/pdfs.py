"""PDFs made for tests: real ones, by pypdf's writer."""

from __future__ import annotations

import io

from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

_FONT = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}


def pdf(*pages, password=None):
    """A PDF with a line of text per line of each page; a page that is bytes is its drawing commands themselves."""
    writer = PdfWriter()
    for page in pages:
        made = writer.add_blank_page(width=612, height=792)
        font = writer._add_object(DictionaryObject({NameObject(k): NameObject(v) for k, v in _FONT.items()}))
        fonts = DictionaryObject({NameObject("/F1"): font})
        made[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        content = DecodedStreamObject()
        content.set_data(page if isinstance(page, bytes) else _drawn(page))
        made[NameObject("/Contents")] = writer._add_object(content.flate_encode())
    if password is not None:
        writer.encrypt(password, algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _drawn(text):
    lines = "".join(f"({line}) Tj T*\n" for line in text.splitlines())
    return f"BT /F1 12 Tf 14 TL 72 720 Td\n{lines}ET".encode()
