"""One page of many photographs beside their labels: small copies, in one file that can be sent."""

from __future__ import annotations

import html
import io
from base64 import b64encode
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from daformer_lib.files import write_atomic
from daformer_lib.specs import DatasetSpec

LONGEST = 480  # pixels of a copy's longer side: about 25 kB
MOST = 500  # images on a page: about 25 MB
SHOWN = 4  # classes named under an image

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; max-width: 1180px; padding: 20px; font: 16px/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.3rem; }}
ul {{ display: flex; flex-wrap: wrap; gap: 2px 18px; padding: 0; list-style: none; }}
i {{ display: inline-block; width: 14px; height: 14px; margin-right: 6px; border-radius: 3px;
  border: 1px solid #8888; vertical-align: -2px; }}
figure {{ margin: 22px 0; display: grid; grid-template-columns: 1fr 1fr; gap: 6px; }}
figure img {{ width: 100%; height: auto; border-radius: 3px; }}
figcaption {{ grid-column: 1 / 3; overflow-wrap: anywhere; }}
</style></head><body>
<h1>{title}</h1>
<p>{note}</p>
<ul>{legend}</ul>
{figures}
</body></html>
"""


class Gallery:
    """Collects copies while images are labelled; holds no image at its own size."""

    def __init__(self, spec: DatasetSpec) -> None:
        self.spec = spec
        self.count = 0
        self._figures: list[str] = []
        self._classes: set[int] = set()

    def add(self, name: str, image: np.ndarray, overlay: np.ndarray, label: np.ndarray) -> None:
        """An (H, W, 3) uint8 RGB image, the same with its labels over it, and the (H, W) labels."""
        self.count += 1
        if self.count > MOST:
            return
        shares = np.bincount(label.ravel(), minlength=256)[: self.spec.num_classes] / label.size
        self._classes |= set(np.flatnonzero(shares).tolist())
        largest = [int(i) for i in np.argsort(-shares, kind="stable")[:SHOWN] if shares[i] > 0]
        named = ", ".join(f"{self.spec.classes[i]} {shares[i]:.0%}" for i in largest)
        text = html.escape(name)
        self._figures.append(
            f'<figure><img alt="{text}" src="{_copy(image)}">'
            f'<img alt="labels of {text}" src="{_copy(overlay)}">'
            f"<figcaption>{text}: {html.escape(named)}</figcaption></figure>"
        )

    def write(self, path: str | Path) -> Path:
        """The page, whole or not at all."""
        legend = "".join(
            f'<li><i style="background: rgb{self.spec.palette[i]}"></i>'
            f"{html.escape(self.spec.classes[i])}</li>"
            for i in sorted(self._classes)
        )
        note = f"{self.count} images, each beside its labels; the classes that occur:"
        if self.count > MOST:
            note = f"The first {MOST} of {note}"
        page = _PAGE.format(
            title=f"Labels of {self.count} images",
            note=note,
            legend=legend,
            figures="\n".join(self._figures),
        )
        return write_atomic(path, page.encode())


def _copy(image: np.ndarray) -> str:
    """A small JPEG as a data URI."""
    scale = min(1.0, LONGEST / max(image.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    data = io.BytesIO()
    Image.fromarray(small).save(data, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{b64encode(data.getvalue()).decode()}"
