"""Options, settings and spec files that are wrong or contradict one another; unknown names."""

from __future__ import annotations

from dataclasses import replace

import nbformat
import pytest

from daformer_lib.config import DataConfig, Experiment, OptimConfig, TrainConfig, UDAConfig
from daformer_lib.course.notebooks import run_notebook
from daformer_lib.runs.batch import run_all
from daformer_lib.specs import GTA, get_spec
from daformer_lib.train import train

BOMB = "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nclasses: *c\n"


def spec(text=None, **changes):
    def make(place):
        return ("inspect-data", place.root / place.spec(text, **changes))

    return make


def predict(*words):
    return lambda p: ("predict", "--model", p.model, "--images", p.photo(), *words)


def smoke(*words):
    return lambda p: ("train", "--profile", "smoke", *words)


def sized(text: str, size: int):
    return lambda p: ((p.root / "own.yaml").write_text(text * (size // len(text))),
                      ("inspect-data", p.root / "own.yaml"))[1]  # fmt: skip


# What is set wrongly, and what is said before anything is drawn, read or written.
SET = [
    ("model.encoder=mit_b9", r"unknown encoder 'mit_b9'.*did you mean mit_b"),
    ("model.decoder=dafromer", r"unknown decoder 'dafromer'; did you mean daformer"),
    ("model.pretrained=none.pth", r"no weight file at none\.pth"),
    ("model.pretrained=page.pth", r"page\.pth is a web page, not weights"),
    ("model.encoder=tiny_resnet model.pretrained={encoder}", r"encoder\.safetensors does not fit"),
    ("model.num_classes=7", r"model\.num_classes is 7, but minicityscapes has 19 classes; leave"),
    ("data.source=gat", r"unknown data set 'gat'.*did you mean gta"),
    ("data.target={spec}", r"minigta and own differ: class 0 'road' and 'soil'"),
    ("train.final_splits=val,tset", r"minicityscapes has no split 'tset'; did you mean test"),
    ("train.eval_split=vall", r"minicityscapes has no split 'vall'; did you mean val"),
    ("train.accumulate=3", r"accumulate 3 must divide batch_size 2; try 1"),
    ("train.chanels_last=true", r"no field 'chanels_last'; did you mean channels_last"),
    ("train.precision=fp8", r"train\.precision=fp8: the value must be of type"),
    ("data.crop=100x130", r"crop 100x130 must be a multiple of 32"),
    ("steps=3", r"setting 'steps=3' must be part\.field=value"),
]  # fmt: skip


def set_to(text):
    def make(place):
        (place.root / "page.pth").write_bytes(b"<html>404</html>")
        given = text.format(encoder=place.encoder, spec=place.root / place.spec())
        return smoke("--set", *given.split())(place)

    return make


CASES = [
    *((f"--set {text}", set_to(text), says) for text, says in SET),
    ("two processes for a batch in two parts", smoke(
        "--devices", "2", "--set", "train.accumulate=2"),
     r"accumulate 2 must divide the 1 images of each step"),
    ("no step before the stop", smoke("--stop-after", "0"), r"stop_after 0 must be at least 1"),
    ("a probe of an unknown encoder", lambda p: ("probe", "--set", "model.encoder=mit_b9"),
     r"unknown encoder 'mit_b9'"),
    ("a probe of no steps", lambda p: ("probe", "--steps", "0"), r"steps 0 must be at least 1"),
    ("a study whose target has other classes", lambda p: (
        "study", "--profile", "smoke", "--target", p.root / p.spec()),
     r"minigta and own differ: class 0"),
    ("a study whose results cannot be written", lambda p: (
        (p.root / "results.json").mkdir(),
        ("study", "--profile", "smoke", "--results", "results.json"))[1],
     r"results\.json: this is a folder, a file was expected"),
    ("an unknown command", lambda p: ("trian",),
     r"unknown command 'trian'; did you mean train\?"),
    ("an unknown command before options", lambda p: ("inspect_data", "x.yaml", "--split", "val"),
     r"unknown command 'inspect_data'; did you mean inspect-data"),
    ("a command like none", lambda p: ("zzz",), r"unknown command 'zzz'; known: causes, check"),
    ("an unknown option", smoke("--sed", "1"), r"--sed.*Perhaps you meant.*--seed"),
    ("an unknown option of another command", predict("--outputdir", "x"),
     r"--outputdir.*Perhaps you meant.*--output-dir"),
    ("an unknown profile", lambda p: ("train", "--profile", "dem"), r"dem"),
    ("an unknown row", smoke("--row", "dafromer"), r"unknown row 'dafromer'; did you mean dafor"),
    ("an unknown source", smoke("--source", "gat"), r"unknown data set 'gat' .*did you mean gta"),
    ("a source of other classes", lambda p: smoke("--source", p.root / p.spec())(p),
     r"own and minicityscapes differ: class 0 'soil' and 'road'"),
    ("a source named twice", smoke("--source", "minigta+minigta"),
     r"source 'minigta\+minigta' names \['minigta'\] twice; name every data set once"),
    ("several targets", smoke("--target", "minigta+minicityscapes"), r"only a source may be"),
    ("a negative seed", smoke("--seed", "-1"), r"seed -1 must not be negative"),
    ("a row of the paper at a small profile", smoke("--row", "table1_danet_uda"),
     r"table1_danet_uda is a row of the paper: profile 'full', not 'smoke'"),
    ("no jobs", lambda p: ("study", "--rows", "daformer", "--seeds", "0", "--profile", "smoke",
                           "--jobs", "0"),
     r"jobs 0 must be at least 1"),
    ("a study of no rows", lambda p: ("study", "--rows", "--profile", "smoke"),
     r"at least one of --rows"),
    ("an unknown mini domain", lambda p: ("make-mini", "--names", "minigat"),
     r"\['minigat'\] are no mini domains; choose from \['minigta'"),
    ("an unknown data set to check", lambda p: ("check-data", "--datasets", "cityscape"),
     r"unknown data set 'cityscape' .*did you mean .*cityscapes"),
    ("a spec file that is not there", lambda p: ("inspect-data", "none.yaml"),
     r"no spec file at none\.yaml; docs/start/your-own-data\.md says how to write one"),
    ("no sample", lambda p: (*spec()(p), "--sample", "0"), r"sample 0 must be at least 1"),
    ("a crop of nothing", lambda p: (*spec()(p), "--crop", "0", "64"), r"crop 0 must be at least"),
    ("a batch of nothing", predict("--batch", "0"), r"batch 0 must be at least 1"),
    ("a scale of nothing", predict("--mode", "slide", "--scale", "0"), r"scale 0\.0 must be"),
    ("a scale that is no number", predict("--mode", "slide", "--scale", "nan"),
     r"scale nan must be positive"),
    ("a window that is too small", predict("--mode", "slide", "--window", "8", "8"),
     r"window 8x8 must be at least 32x32"),
    ("a window without sliding", predict("--window", "64", "64"), r"window belongs to --mode"),
    ("a stride that leaves gaps", predict(
        "--mode", "slide", "--window", "64", "64", "--stride", "65", "64"),
     r"stride 65x64 must lie between 1x1 and the window 64x64.*try 42x42"),
    ("a device that is not there", predict("--device", "cuda:7"),
     r"device 'cuda:7': (this PyTorch finds no CUDA device; try cpu|there are \d)"),
    ("a device that does not exist", predict("--device", "gpu"),
     r"device 'gpu' is unknown; try auto, cpu, cuda, cuda:1 or mps"),
    ("an export that is too small", lambda p: (
        "export-onnx", "--run", p.run, "--output", "m.onnx", "--size", "8", "8"),
     r"size 8x8 must be at least 32x32"),
    ("a submission that is no zip", lambda p: (
        "export-visda", "--source-only", p.run, "--uda", p.run, "--archive", "s.tar"),
     r"s\.tar must end in \.zip"),
    ("an empty spec", spec(""), r"own\.yaml: is empty, not keys with values; docs/"),
    ("a spec that is no YAML", spec("name: [\n"), r"own\.yaml is no YAML \(.*has an example"),
    ("a spec in another encoding", lambda p: (
        (p.root / "own.yaml").write_bytes("name: Straße".encode("latin-1")),
        ("inspect-data", p.root / "own.yaml"))[1], r"own\.yaml is no YAML .*can't decode"),
    ("a spec with an unknown key", spec(thing=[1]), r"unknown key 'thing'; did you mean things"),
    ("a spec with a key given twice", spec("name: a\nname: b\n"), r"line 2: 'name' is given twice"),
    ("a spec of aliases in aliases", spec(BOMB),
     r"own\.yaml: line 2: aliases \(\*name\) are not read here; write the value out"),
    ("a spec of brackets in brackets", spec("name: " + "[" * 5000),
     r"own\.yaml: line 1: lists in lists in lists; a spec is at most 8 deep"),
    ("a spec of two megabytes", sized("# nothing\n", 2**21), r"a spec at most 1,048,576; is"),
    ("a spec that asks for a program", spec("name: !!python/object/apply:os.system [touch ran]\n"),
     r"own\.yaml: line 1: tags \(!!python/object"),
    ("a spec with a very long value", spec(name=["x" * 5000]), r"\.\.\. \(5,004 characters\) is"),
    ("a pattern that leads out", spec(train_id_pattern="{split}/../../{stem}.png"),
     r"train_id_pattern .* holds '\.\.', which leads out of `folder`; set `folder` instead"),
    ("a pattern from the root", spec(image_pattern="/etc/{split}/{stem}.png"),
     r"image_pattern .* starts with '/'; patterns are meant from `folder`"),
    ("a split that leads out", spec(splits=["train", "../../etc"]),
     r"splits holds '\.\./\.\./etc', which leads out"),
    ("a name that leads out", spec(name=".."), r"name may hold letters.*not dots alone"),
    ("images too large to be real", spec(size=[100_000, 100_000]),
     r"size is \[100000, 100000\]; no image here has more than 67,108,864 pixels"),
    ("a class that cannot be seen", spec(classes=["soil", "\x1b[2J", "road"]),
     r"classes holds '\\x1b\[2J'; a name is text that can be seen"),
    ("an id outside what labels hold", spec(id_map={0: 0, 300: 1, 2: 2}),
     r"id_map: 'id' labels hold 0\.\.255, not 300"),
    ("more colours than classes", spec(palette=[[i, 0, 0] for i in range(4)]),
     r"palette has 4 colours for 3 classes"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "says"), [r[1:] for r in CASES], ids=[r[0] for r in CASES])
def test_bad_settings_are_named(judge, make, says):
    judge(make, says)


CONTRADICTIONS = [
    (lambda: DataConfig(crop=(100, 130)), "crop 100x130 must be a multiple of 32; try 96x128"),
    (lambda: DataConfig(crop=(0, 0)), "crop 0x0 must be a multiple of 32; try 32x32"),
    (lambda: DataConfig(batch_size=0), "batch_size 0 must be positive"),
    (lambda: DataConfig(workers=-1), "workers -1 must not be negative"),
    (lambda: DataConfig(rcs_temperature=0.0), r"rcs_temperature 0\.0 must be positive, or None"),
    (lambda: DataConfig(rcs_min_pixels=-5), "rcs_min_pixels -5 must not be negative"),
    (lambda: DataConfig(rcs_max_loads=0), "rcs_max_loads 0 must be positive"),
    (lambda: DataConfig(max_source_images=0), "max_source_images 0 must be positive, or None"),
    (lambda: DataConfig(cat_max_ratio=1.5), r"cat_max_ratio 1\.5 must lie in \(0, 1\]"),
    (lambda: UDAConfig(ema_decay=1.0), r"ema_decay 1\.0 must lie in \[0, 1\)"),
    (lambda: UDAConfig(threshold=96.8), r"threshold 96\.8 must lie in \[0, 1\]"),
    (lambda: UDAConfig(jitter_above=20), r"jitter_above 20 must lie in \[0, 1\]"),
    (lambda: UDAConfig(fd_weight=float("nan")), "fd_weight nan must be a number from 0 on"),
    (lambda: UDAConfig(fd_min_share=0), r"fd_min_share 0 must lie in \(0, 1\]"),
    (lambda: UDAConfig(fd_on="thing"), "fd_on 'thing' must be one of"),
    (lambda: OptimConfig(lr=float("inf")), "lr inf must be a number from 0 on, and finite"),
    (lambda: OptimConfig(lr=0), "lr 0 must be positive"),
    (lambda: OptimConfig(weight_decay=-0.01), r"weight_decay -0\.01 must be a number from 0 on"),
    (lambda: TrainConfig(steps=0), "steps 0 must be positive"),
    (lambda: TrainConfig(max_eval_images=0), "max_eval_images 0 must be positive, or None"),
    (lambda: Experiment("x", mode="udaa"), "mode 'udaa' is unknown; known:"),
    (lambda: Experiment("x", uda=UDAConfig(ignore_top=400, ignore_bottom=112)),
     r"ignore_top \+ ignore_bottom = 512 leaves no row of a crop 512 high"),
    (lambda: run_all([], "x", jobs=-1), "jobs -1 must be at least 1"),
    (lambda: replace(GTA, splits=("/etc",)), r"splits holds '/etc', which leads out"),
    (lambda: get_spec("gta").require_split("tarin"), "no split 'tarin'; did you mean train"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "says"), CONTRADICTIONS)
def test_settings_that_contradict_themselves_raise_where_they_are_made(build, says):
    with pytest.raises(ValueError, match=says):
        build()


def test_a_split_that_is_scored_at_the_end_must_exist_at_the_start(smoke, tmp_path):
    experiment = smoke("source_only", train={"final_splits": ("val", "tset")})
    with pytest.raises(ValueError, match="minicityscapes has no split 'tset'; did you mean test"):
        train(experiment, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize("steps", [0, -3])
def test_stopping_before_the_first_step_is_refused(smoke, tmp_path, steps):
    with pytest.raises(ValueError, match=f"stop_after {steps} must be at least 1 step"):
        train(smoke(), tmp_path / "run", stop_after=steps)
    assert not (tmp_path / "run").exists()


def test_an_unknown_papermill_parameter_ends_before_anything_runs(tmp_path):
    cell = nbformat.v4.new_code_cell("profile = 'demo'", metadata={"tags": ["parameters"]})
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), tmp_path / "a.ipynb")
    with pytest.raises(
        ValueError, match=r"a\.ipynb has no .*\['profil'\]; profil: did you mean pr"
    ):
        run_notebook(tmp_path / "a.ipynb", tmp_path / "out.ipynb", {"profil": "smoke"}, 60)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ipynb"]
