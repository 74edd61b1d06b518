"""Mistakes in the method that the replay of the authors' first steps must notice."""

import copy
from dataclasses import replace

import pytest

from daformer_lib.uda.teacher import Teacher
from tests.parity.replay import (
    UDA,
    WELL_CONDITIONED,
    assert_follows,
    replayed,
)

pytestmark = pytest.mark.numeric


class LateTeacher(Teacher):
    """Its average is one step late."""

    def update(self, student, step):
        before = getattr(self, "before", student)
        self.before = copy.deepcopy(student)
        super().update(before, step)


class EagerTeacher(Teacher):
    """Its alpha is one step late."""

    def update(self, student, step):
        super().update(student, max(step - 1, 0))


def without_one_class(facts):
    return facts | {"mix_classes": [[classes[:-1] for classes in i] for i in facts["mix_classes"]]}


@pytest.mark.notebook  # trains
@pytest.mark.parametrize(
    "wrong",
    ["EMA late", "alpha late", "threshold", "mix class missed", "FD weight", "row ignored"],
)
def test_a_wrong_method_is_noticed_within_three_iterations(facts, det, theirs, wrong):
    """The tight tolerances are not so wide that a mistake fits in."""
    changes = {
        "EMA late": {"teacher_type": LateTeacher},
        "alpha late": {"teacher_type": EagerTeacher},
        "threshold": {"uda": replace(UDA, threshold=0.51)},
        "mix class missed": {},
        "FD weight": {"uda": replace(UDA, fd_weight=0.00525)},
        "row ignored": {"uda": replace(UDA, ignore_bottom=31)},
    }
    facts = without_one_class(facts) if wrong == "mix class missed" else facts

    def look(found):
        assert_follows(found.series(), theirs)

    with pytest.raises(AssertionError, match="is allowed"):
        replayed(facts, det, steps=WELL_CONDITIONED, look=look, **changes[wrong])
