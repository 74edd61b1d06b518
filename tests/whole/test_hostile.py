"""What foreign files and names cannot do: run code, unpack elsewhere, fill memory, forge a page.

Half of these tests read the package's own source: they keep one door for each kind of file, and
hold for code that is still to be written.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import re
import secrets
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch
from PIL import Image

from daformer_lib import files
from daformer_lib.course.report import CourseReport, PanelRow, StepTime, render, write_report
from daformer_lib.models.checkpoints.weight_files import extract_tensors, read_weights
from daformer_lib.runs.checkpoint_files import load_checkpoint
from daformer_lib.runs.results import RowResult, class_table
from daformer_lib.specs import get_spec
from daformer_lib.viz import class_bars, figure_png
from daformer_lib.viz.tables import plain_table

ROOT = Path(__file__).parents[2]
SOURCES = sorted(p for f in ("daformer_lib", "data_scripts") for p in (ROOT / f).rglob("*.py"))
MARKUP = '"><script>alert(1)</script>&<img src=x onerror=alert(2)>'


@functools.cache
def calls() -> list[tuple[str, ast.Call]]:
    """(file below the root, the call) of every function call of the package."""
    found = []
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        place = path.relative_to(ROOT).as_posix()
        found += [(place, node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return found


def extract(path: Path) -> None:
    extract_tensors(path, path.with_suffix(".safetensors"))


def name_of(call: ast.Call) -> str:
    """ "np.load" of np.load(...); "?.load" of a call on something that has no name."""
    found, parts = call.func, []
    while isinstance(found, ast.Attribute):
        parts.append(found.attr)
        found = found.value
    return ".".join(reversed([*parts, found.id if isinstance(found, ast.Name) else "?"]))


def argument(call: ast.Call, name: str):
    return next((ast.unparse(k.value) for k in call.keywords if k.arg == name), None)


def test_the_scan_sees_calls():
    names = {name_of(call) for _, call in calls()}
    assert {"torch.load", "np.load", "yaml.load", "Image.open", "cv2.imdecode"} <= names


PROGRAMS = (
    "eval", "exec", "compile", "os.system", "pickle.load", "pickle.loads", "yaml.unsafe_load",
    "yaml.full_load", "joblib.load", "torch.jit.load", "torch.hub.load",
)  # fmt: skip


# The exercises' answers are code of the package's own, installed with it; nothing of a user's.
OWN_CODE = "daformer_lib/course/exercises.py"


def test_nothing_here_runs_what_a_file_says():
    found = [(place, name_of(call)) for place, call in calls() if name_of(call) in PROGRAMS]
    assert [one for one in found if one[0] != OWN_CODE] == []
    assert {name for place, name in found if place == OWN_CODE} == {"eval", "exec"}
    assert QUESTIONS == Path(exercises.__file__).parent / "questions"


def test_checkpoints_are_read_as_tensors_and_plain_values():
    for place, call in calls():
        if name_of(call) == "torch.load" and argument(call, "weights_only") != "True":
            # extract_tensors: with an unpickler of its own, that builds nothing else.
            assert place == "daformer_lib/models/checkpoints/weight_files.py"
            assert argument(call, "pickle_module") == "tensors_only"
        if name_of(call) == "np.load":
            assert argument(call, "allow_pickle") == "False", place
        if name_of(call) == "yaml.load":
            assert argument(call, "Loader") == "_Loader", place


@pytest.mark.parametrize("read", [read_weights, load_checkpoint, extract])
def test_weights_that_unpack_to_more_than_the_file_are_not_read(tmp_path, read):
    path = tmp_path / "bomb.pth"
    torch.save({"weight": torch.zeros(1000, 1000)}, tmp_path / "plain.pth")
    with ZipFile(tmp_path / "plain.pth") as plain, ZipFile(path, "w", ZIP_DEFLATED) as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    assert path.stat().st_size < 20_000
    assert torch.load(path)["weight"].shape == (1000, 1000), "PyTorch itself unpacks it"
    with pytest.raises(ValueError, match=r"bomb\.pth is compressed inside .*was not read"):
        read(path)


def test_no_archive_is_unpacked():
    """Nothing here takes files out of an archive, so none can be written outside its folder."""
    forbidden = ("extract", "extractall", "unpack_archive")
    for place, call in calls():
        assert name_of(call).rsplit(".", 1)[-1] not in forbidden, place
    imports = "\n".join(p.read_text(encoding="utf-8") for p in SOURCES)
    assert not re.search(r"^\s*(import|from) (tarfile|rarfile|py7zr)", imports, re.MULTILINE)


def test_images_have_one_door_which_looks_at_the_header_first():
    decoders = ("Image.open", "cv2.imdecode", "cv2.imread", "iio.imread", "plt.imread", "read_file")
    places = {place for place, call in calls() if name_of(call) in decoders}
    assert places == {"daformer_lib/files.py", "daformer_lib/image_rules.py"}  # read_header


READERS = [files.read_image, files.read_gray, files.read_red16, files.read_palette,
           files.image_size, files.verify_image, files.image_kind, files.color_mode,
           files.image_header, files.verify_photo, files.pixel_note]  # fmt: skip


@pytest.mark.parametrize("read", READERS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("kind", ["png", "gif", "bmp", "tiff"])
def test_absurd_images_of_any_format_are_refused_by_every_reader(tmp_path, read, kind):
    """A tiny file whose header is then made to claim 50000 x 50000."""
    path = tmp_path / f"bomb.{kind}"
    Image.new("P" if kind in ("png", "gif") else "L", (3, 3)).save(path)
    data = bytearray(path.read_bytes())
    if kind == "png":
        from struct import pack
        from zlib import crc32

        data[16:24] = pack(">II", 50_000, 50_000)
        data[29:33] = pack(">I", crc32(bytes(data[12:29])))
    elif kind == "gif":
        data[6:10] = (50_000).to_bytes(2, "little") * 2
    elif kind == "bmp":
        data[18:26] = (50_000).to_bytes(4, "little") * 2
    else:
        for tag in (256, 257):  # width and height in the directory: tag, type, count, value
            at = data.index(tag.to_bytes(2, "little"), 8)
            data[at + 2 : at + 4] = (4).to_bytes(2, "little")
            data[at + 8 : at + 12] = (50_000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(files.BrokenImage, match=rf"bomb\.{kind} (is too large|claims 50000x50000)"):
        read(path)


def test_an_image_whose_two_readers_disagree_is_refused(tmp_path, monkeypatch):
    """The header is checked by one library and the pixels come from another."""
    path = files.write_png(tmp_path / "two.png", np.zeros((4, 6, 3), np.uint8))
    monkeypatch.setattr(files.cv2, "imdecode", lambda *_: np.zeros((400, 600, 3), np.uint8))
    with pytest.raises(files.BrokenImage, match=r"says 6x4 in its header and holds 600x400"):
        files.read_image(path)


def test_a_decoder_that_fails_is_a_broken_image(tmp_path, monkeypatch):
    path = files.write_png(tmp_path / "x.png", np.zeros((4, 6, 3), np.uint8))

    def fail(*_):
        raise files.cv2.error("internal")

    monkeypatch.setattr(files.cv2, "imdecode", fail)
    with pytest.raises(files.BrokenImage, match=r"x\.png cannot be decoded"):
        files.read_image(path)


def hostile_spec():
    spec = get_spec("minicityscapes")
    return dataclasses.replace(spec, classes=(MARKUP, "a|b", "$\\bad{$", *spec.classes[3:]))


def test_names_from_data_stay_text_in_the_report(tmp_path):
    spec, ids = hostile_spec(), np.zeros((8, 16), np.uint8)
    ids[4:] = 2
    undecodable = b"\xff".decode("utf-8", "surrogateescape")
    panels = [PanelRow(MARKUP + undecodable, np.zeros((8, 16, 3), np.uint8), ids, {MARKUP: ids})]
    report = CourseReport(
        MARKUP, spec, MARKUP, 0, MARKUP, MARKUP, MARKUP,
        machine={MARKUP: MARKUP}, panels=panels, class_iou={MARKUP: np.full(19, 0.5)},
        steps=[StepTime(MARKUP, 1.0, "done", MARKUP)], notes=[MARKUP],
    )  # fmt: skip
    page = render(report)
    assert "<script" not in page and "<img src=x" not in page
    assert page.count("&lt;script&gt;") > 10
    assert MARKUP not in write_report(report, tmp_path / "r.html").read_text(encoding="utf-8")


def test_names_from_data_keep_to_their_cell_in_tables_and_figures():
    spec = hostile_spec()
    row = RowResult("daformer", (0,), np.full((1, 19), 0.5), spec.classes)
    lines = class_table([row]).splitlines()
    assert all(re.sub(r"\\\|", "", line).count("|") == 3 for line in lines)
    assert "<script" not in "".join(lines) and "a\\|b" in lines[3]
    table = plain_table(["class", "n"], [[MARKUP, 1.0], ["a|b", 2.0]])
    assert "<script" not in table._repr_html_() and "| a\\|b | 2.0 |" in table.markdown()
    assert figure_png(class_bars({"$\\x{": np.full(19, 0.3)}, spec, title="$\\y{"))  # no formula


def test_jupyterlab_listens_on_this_machine_only_and_asks_for_its_token():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"^\t(.*jupyter.*)$", makefile, re.MULTILINE)
    assert len(commands) == 1 and "--ServerApp.ip=127.0.0.1" in commands[0]
    for open_door in ("token", "password", "allow_origin", "allow_remote", "0.0.0.0", "port"):
        assert open_door not in commands[0]


def test_jupyterlab_has_a_token_by_default_and_takes_the_next_port(monkeypatch):
    from jupyter_server.auth import IdentityProvider
    from jupyter_server.serverapp import ServerApp

    monkeypatch.delenv("JUPYTER_TOKEN", raising=False)
    assert len(IdentityProvider().token) >= len(secrets.token_hex(16))
    assert ServerApp.port_retries.default_value > 0
