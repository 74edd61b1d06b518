"""What an inspection found in a split, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from daformer_lib.config import RCS_TEMPERATURE, UDAConfig
from daformer_lib.data.intake.inspect import FD_CELL, SplitInspection, co_occurrence, rcs_outlook

SHOWN = 12  # label values, sizes and problems that are listed one by one


def report_lines(seen: SplitInspection, crop: tuple[int, int]) -> Iterator[str]:
    """What was found in a split, as text."""
    counts = f"{seen.images:,} images, {seen.labels:,} labels, {len(seen.pairs):,} pairs"
    yield f"{seen.spec.name}/{seen.split}: {counts}"
    yield from _size_lines(seen)
    yield from _value_lines(seen)
    if seen.stats is not None and seen.stats.stems:
        yield from _class_lines(seen, crop)
        yield from _company_lines(seen)
        yield from _cover_lines(seen)
    yield from _shortened("  ", seen.remarks)
    yield from _shortened("  - ", seen.problems)
    for mistake in seen.mistakes:
        yield f"  ! {mistake.what}"
        yield f"    -> {mistake.remedy}"
    if not seen.problems and not seen.mistakes:
        yield "  nothing looks wrong"


def _shortened(mark: str, lines: Sequence[str]) -> Iterator[str]:
    yield from (f"{mark}{line}" for line in lines[:SHOWN])
    if len(lines) > SHOWN:
        yield f"{mark}... and {len(lines) - SHOWN} more"


def _size_lines(seen: SplitInspection) -> Iterator[str]:
    for what, sizes in (("image", seen.image_sizes), ("label", seen.label_sizes)):
        if sizes:
            listed = ", ".join(f"{w}x{h} ({n:,})" for (w, h), n in sizes.most_common(SHOWN))
            more = f" and {len(sizes) - SHOWN} other sizes" if len(sizes) > SHOWN else ""
            yield f"  {what} sizes: {listed}{more}"
    width, height = seen.spec.size
    yield f"  trained at {width}x{height}" + (", ratio kept" if seen.spec.keep_ratio else "")


def _value_lines(seen: SplitInspection) -> Iterator[str]:
    """Label values against the id map, the largest first."""
    values = seen.values
    if not values:
        return
    yield f"  values in {len(seen.samples)} label files:"
    for value, pixels in values.most_common(SHOWN):
        train = seen.spec.id_map.get(value)
        name = "ignored" if train is None else f"{train} {seen.spec.classes[train]}"
        yield f"    {value:5d} -> {name:24s} {pixels / values.total():7.2%}"
    if len(values) > SHOWN:
        yield f"    and {len(values) - SHOWN} smaller ones"


def _class_lines(seen: SplitInspection, crop: tuple[int, int]) -> Iterator[str]:
    """Pixels per class, and what Rare Class Sampling makes of them."""
    stats, size = seen.stats, seen.label_size or seen.spec.size
    rcs = rcs_outlook(stats, size, crop, RCS_TEMPERATURE)
    yield (
        f"  Rare Class Sampling: an image shows a class with more than {rcs.min_pixels} px on "
        f"{size[0]}x{size[1]} (rcs_min_pixels; 3000 on 1914x1052),"
    )
    yield (
        f"  a crop with more than {rcs.min_crop_pixels} px of {crop[0]}x{crop[1]} "
        f"(rcs_min_crop_pixels; 1500 on 512x512); P at T = {RCS_TEMPERATURE}"
    )
    yield f"    {'class':24s} {'pixels':>8s} {'images':>8s} {'enough':>8s} {'P':>7s}"
    share = stats.totals / max(1, stats.totals.sum())
    images = (stats.counts > 0).sum(axis=0)
    for i, name in enumerate(seen.spec.classes):
        line = f"    {name:24s} {share[i]:8.2%} {images[i]:8,d} {rcs.images[i]:8,d} "
        yield line + f"{rcs.probabilities[i]:7.1%}"


def _company_lines(seen: SplitInspection) -> Iterator[str]:
    """For each class those that share its images most and least often."""
    together = co_occurrence(seen.stats)  # (K, K)
    names, own = seen.spec.classes, together.diagonal()
    present = [i for i in range(len(names)) if own[i]]
    if len(present) < 2:
        return
    yield "  of the images that show a class, how many also show another:"
    for i in present:
        others = sorted((j for j in present if j != i), key=lambda j: -together[i, j])
        most, least = others[0], others[-1]
        line = f"    {names[i]:24s} most {names[most]} {together[i, most] / own[i]:.0%}"
        yield line + f", least {names[least]} {together[i, least] / own[i]:.0%}"


def _cover_lines(seen: SplitInspection) -> Iterator[str]:
    """Which things are large enough for the feature distance."""
    if not seen.covers:
        return
    width, height = seen.spec.size
    yield (
        f"  feature distance acts where one thing covers {UDAConfig.fd_min_share:.0%} "
        f"(uda.fd_min_share) of a cell of {FD_CELL}x{FD_CELL} px (MiT, ResNet) at {width}x{height};"
    )
    yield f"  in {len(seen.samples)} labels:"
    small = False
    for cover in seen.covers:
        name = seen.spec.classes[cover.class_id]
        small |= not cover.labels
        yield f"    {name:24s} largest cover {cover.largest:4.0%}, enough in {cover.labels:,}"
    if small:
        yield (
            "    where none is enough, the distance never acts: a larger `size` in the spec, a "
            "smaller uda.fd_min_share, or an encoder whose last stage is finer"
        )
