"""Each finding, from a course in which its condition holds; and none from a healthy one."""

import numpy as np
import pytest

from daformer_lib.runs import recipes
from daformer_lib.uda.health import findings
from daformer_lib.uda.health.findings import IMPLIES, Course, find

CLASSES = ("road", "building", "rider", "car")
SOURCE = np.array([0.5, 0.4, 0.01, 0.09])
HEALTHY = {
    "teacher_shares": [0.5, 0.4, 0.01, 0.09],
    "shares": [0.5, 0.4, 0.01, 0.09],
    "batch_shares": [0.5, 0.4, 0.01, 0.09],
    "confident": 0.6, "information": 1.2, "flip": 0.95, "colour": 0.93, "batch": 0.95,
    "fd_cells": 0.05,
    "rcs_drawn": [10, 10, 400, 100],
}  # fmt: skip
LOSSES = {"mixed": np.array([0.5, 0.3]), "source": np.array([0.4, 0.2])}


def course(*looks, experiment=None, **more):
    """A run with these looks, each a change of the healthy one."""
    made = [{**HEALTHY, "step": 100 * (i + 1), **change} for i, change in enumerate(looks)]
    experiment = experiment or recipes.experiment("daformer", "study")
    more = {"losses": LOSSES, "rcs_images": np.array([900, 900, 60, 500]), **more}
    return Course(experiment, CLASSES, made, SOURCE, **more)


def names(found):
    return [finding.name for finding in found]


def with_uda(**change):
    return recipes.experiment("daformer", "study").changed(uda=change)


CONDITIONS = {
    "class vanished": course({}, {"teacher_shares": [0.51, 0.4, 0.0, 0.09]}),
    "one class swallows others": course({}, {"teacher_shares": [0.33, 0.57, 0.01, 0.09]}),
    "one class keeps growing": course(
        {},
        {},
        {"teacher_shares": [0.49, 0.4, 0.01, 0.1]},
        {"teacher_shares": [0.46, 0.4, 0.01, 0.13]},
    ),
    "labels depend on the batch": course(
        {}, {"batch": 0.6, "batch_shares": [0.5, 0.1, 0.01, 0.39]}
    ),
    "too sure too early": course({"confident": 0.97, "flip": 0.7}, {}),
    "nothing to learn from": course({}, {"confident": 0.001}),
    "loss of the mix at zero": course({}, {}, losses={"mixed": np.array([0.3, 1e-4])}),
    "FD acted on no cell": course(
        {"fd_cells": 0.0}, {"fd_cells": 0.0}, largest_cover={"rider": 0.2, "car": 0.4}
    ),
    "RCS drew from few images only": course({}, {}, rcs_images=np.array([900, 900, 3, 500])),
    "memory longer than the run allows": course({}, {}, experiment=with_uda(ema_decay=0.999)),
    "memory shorter than the run needs": course(
        {}, {"student_agrees": 0.999}, experiment=with_uda(ema_decay=0.5)
    ),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_has_its_finding_and_no_other(name):
    found = names(find(CONDITIONS[name]))
    assert name in found
    assert set(found) <= {name, *IMPLIES.get(name, ())}


def test_every_rule_has_a_condition_here():
    """BatchNorm with two images comes with the labels that depend on the batch."""
    assert set(CONDITIONS) | {n for also in IMPLIES.values() for n in also} >= set(IMPLIES)
    assert len(CONDITIONS) >= len(findings.RULES)


def test_a_healthy_run_has_none():
    assert find(course({}, {})) == []
    assert find(course()) == []


@pytest.mark.parametrize("row", ["source_only", "oracle"])
def test_who_learns_from_no_labels_of_its_own_has_none(row):
    broken = {"teacher_shares": [1.0, 0, 0, 0], "confident": 0.0, "batch": 0.1}
    experiment = recipes.experiment(row, "study")
    assert find(course({}, broken, experiment=experiment, losses={})) == []


def test_evidence_names_the_class_and_its_shares():
    (found,) = find(CONDITIONS["class vanished"])
    assert found.classes == ("rider",)
    assert "rider (1.0 % of its labels at most, 0.0 % now)" in found.evidence
    (found,) = find(CONDITIONS["one class swallows others"])
    assert found.classes == ("building", "road")
    assert "building grew from 40.0 % of the labels to 57.0 %" in found.evidence
    assert "road (50.0 % to 33.0 %) shrank" in found.evidence


def test_growth_is_counted_from_the_middle_of_the_run():
    """A share that settles early is no finding, however much it has grown until then."""
    (found,) = find(CONDITIONS["one class keeps growing"])
    assert found.classes == ("car", "road")
    assert found.evidence.startswith("since step 200 car grew from 9.0 % of the labels to 13.0 %")
    settled = {"teacher_shares": [0.46, 0.4, 0.01, 0.13]}
    assert find(course({}, settled, settled, settled)) == []
    assert find(course({}, {}, settled)) == []  # three looks have no second half


def test_a_class_that_is_learned_late_grows_to_what_the_source_shows_of_it():
    late = [{"teacher_shares": [0.56, 0.4, 0.01, 0.03]}] * 2
    assert find(course(*late, {}, {})) == []
    beyond = {"teacher_shares": [0.47, 0.4, 0.01, 0.12]}
    assert names(find(course(*late, {}, beyond))) == ["one class keeps growing"]


def test_a_class_that_was_never_labelled_is_told_from_the_source():
    never = [0.51, 0.4, 0.0, 0.09]
    (found,) = find(course({"teacher_shares": never}, {"teacher_shares": never}))
    assert "rider (1.0 % of the source, 0.0 % now)" in found.evidence


def test_labels_that_depend_on_the_batch_name_the_class_and_the_two_images():
    found = find(CONDITIONS["labels depend on the batch"])
    assert names(found) == ["labels depend on the batch", "BatchNorm with two images"]
    assert "building is 40.0 % of the labels with running statistics, 10.0 %" in found[0].evidence


def test_a_teacher_on_running_statistics_does_not_depend_on_the_batch():
    looks = {}, {"batch": 0.6, "batch_shares": [0.5, 0.1, 0.01, 0.39]}
    assert find(course(*looks, experiment=with_uda(teacher_statistics="student"))) == []


def test_the_largest_objects_are_named_where_fd_has_no_cell():
    (found,) = find(CONDITIONS["FD acted on no cell"])
    assert "car 40.0 %, rider 20.0 %" in found.evidence


def test_a_network_that_tells_nothing_apart_is_not_judged_by_its_classes():
    broken = {"information": 0.01, "teacher_shares": [1.0, 0.0, 0.0, 0.0]}
    assert find(course({"information": 0.01}, broken)) == []


def test_a_class_that_is_found_late_swallows_nothing():
    """The first look is of a network that knows little; the target shows more than the source."""
    early = {"information": 0.6, "teacher_shares": [0.6, 0.39, 0.0, 0.01]}
    late = {"teacher_shares": [0.45, 0.38, 0.0, 0.17]}  # the source has 0.09
    assert names(find(course(early, late, late, late))) == ["class vanished"]
    known = {"teacher_shares": [0.5, 0.41, 0.0, 0.09]}  # the same growth of what was learned
    assert "one class swallows others" not in names(find(course(early, known, known, late)))
    far = {"teacher_shares": [0.4, 0.35, 0.0, 0.25]}
    assert "one class swallows others" in names(find(course(early, known, known, far)))
    assert "one class swallows others" in names(find(course(early, far, far, far)))


def test_a_class_that_is_learned_in_the_second_half_does_not_keep_growing():
    late = {"teacher_shares": [0.5, 0.4, 0.05, 0.05]}
    none = {"teacher_shares": [0.51, 0.4, 0.0, 0.09]}
    few = {"teacher_shares": [0.5, 0.4, 0.01, 0.09]}
    assert names(find(course({}, none, none, late))) == []
    assert names(find(course({}, few, few, late))) == ["one class keeps growing"]


def test_two_classes_that_can_carry_little_are_judged_as_well():
    """Shares of 84 and 16 % carry 0.44 nats at most, less than what many classes must reach."""
    shares = {"shares": [0.84, 0.16], "teacher_shares": [0.84, 0.16], "batch_shares": [0.84, 0.16]}
    start, end = ({**HEALTHY, **shares, "rcs_drawn": [5, 5], "step": s} for s in (100, 200))
    end |= {"teacher_shares": [1.0, 0.0]}
    plain = recipes.experiment("self_training", "study")
    for information, expected in ((0.3, ["class vanished"]), (0.1, [])):
        looks = [one | {"information": information} for one in (start, end)]
        found = find(Course(plain, ("field", "trees"), looks, np.array([0.84, 0.16])))
        assert names(found) == expected


def test_the_remedy_for_a_memory_is_one_that_has_no_finding():
    (found,) = find(CONDITIONS["memory longer than the run allows"])
    decay = float(found.remedy.split("ema_decay=")[1])
    assert find(course({}, {}, experiment=with_uda(ema_decay=decay))) == []


def test_a_short_memory_whose_teacher_still_differs_is_no_finding():
    """The share tells, not the length: of three runs with ten steps of 4000 two did no worse."""
    looks = {}, {"student_agrees": 0.95}
    assert find(course(*looks, experiment=with_uda(ema_decay=0.9))) == []


def test_a_finding_is_one_line_and_plain_values():
    (found,) = find(CONDITIONS["nothing to learn from"])
    assert "\n" not in found.line() and found.line().startswith("nothing to learn from: ")
    assert set(found.to_dict()) == {"name", "evidence", "remedy", "classes"}
