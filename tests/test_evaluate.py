"""The metric and inference, against hand-worked cases and the authors' outputs."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from daformer_lib.config import ModelConfig
from daformer_lib.evaluate import (
    Scores,
    absence_notes,
    confusion_matrix,
    decide,
    decide_by_class,
    evaluate,
    predict,
    slide,
    whole,
    window_starts,
)
from daformer_lib.means import percent
from daformer_lib.models import build_segmentor
from tests.helpers.rounding import assert_same_labels, forward_bound, near_ties

pytestmark = pytest.mark.numeric


def test_confusion_by_hand():
    truth = np.array([[0, 0, 1], [1, 2, 255]])
    prediction = np.array([[0, 1, 1], [1, 0, 2]])
    expected = [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    np.testing.assert_array_equal(confusion_matrix(prediction, truth, 3), expected)


def test_iou_of_absent_and_only_predicted_classes():
    # Class 2 is predicted but never true: 0. Class 3 is neither: NaN and left out of the mean.
    scores = Scores(np.array([[2, 0, 1, 0], [0, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))
    np.testing.assert_allclose(scores.iou, [2 / 3, 1, 0, np.nan])
    assert scores.miou() == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert scores.miou((0, 1)) == pytest.approx((2 / 3 + 1) / 2)


def test_metric_equals_the_authors(golden):
    uda = golden("uda.npz")
    scores = Scores(confusion_matrix(uda["miou/pred"], uda["miou/gt"], 19))
    np.testing.assert_allclose(scores.iou, uda["miou/IoU"], rtol=1e-9)
    np.testing.assert_allclose(scores.recall, uda["miou/Recall"], rtol=1e-9)
    np.testing.assert_allclose(scores.precision, uda["miou/Precision"], rtol=1e-9)
    assert scores.accuracy == pytest.approx(float(uda["miou/aAcc"]))
    assert scores.miou() == pytest.approx(golden("uda.json")["miou"]["nanmean_raw"])


def test_window_starts_cover_the_image():
    assert window_starts(128, 64, 48) == [0, 48, 64]
    assert window_starts(64, 64, 48) == [0]
    assert window_starts(50, 64, 48) == [0]


class ColourSums(torch.nn.Module):
    """Logits of a pixel: its own colours, plus the window's mean, so that overlaps differ."""

    def forward(self, image):
        return image + image.mean((2, 3), keepdim=True), []


def test_sliding_by_hand_averages_where_windows_overlap():
    image = torch.arange(6.0).view(1, 1, 1, 6)
    logits = slide(ColourSums(), image, (1, 4), (1, 2))  # columns 0-3 (mean 1.5) and 2-5 (3.5)
    expected = torch.tensor([0, 1, 2, 3, 4, 5]) + torch.tensor([1.5, 1.5, 2.5, 2.5, 3.5, 3.5])
    torch.testing.assert_close(logits[0, 0, 0], expected)


@pytest.mark.parametrize("batch", [2, 3, 100])
def test_windows_may_pass_together(batch):
    image = torch.rand(2, 3, 50, 70, generator=torch.Generator().manual_seed(0))
    one = slide(ColourSums(), image, (32, 40), (20, 16))
    torch.testing.assert_close(slide(ColourSums(), image, (32, 40), (20, 16), batch), one)


def test_a_window_larger_than_the_image_shrinks_to_it():
    image = torch.rand(1, 3, 20, 70, generator=torch.Generator().manual_seed(0))
    small = slide(ColourSums(), image, (64, 64), (48, 48))
    torch.testing.assert_close(small, slide(ColourSums(), image, (20, 64), (20, 48)))


@pytest.mark.parametrize("stride", [(65, 10), (10, 65), (0, 10)])
def test_strides_that_leave_gaps_are_refused(stride):
    with pytest.raises(ValueError, match=r"window 64x64.*try 42x42"):
        slide(ColourSums(), torch.zeros(1, 3, 128, 128), (64, 64), stride)


@pytest.fixture(scope="module")
def official_b0(det):
    from daformer_lib.models.checkpoints import load_official
    from daformer_lib.models.checkpoints.official_names import official_names

    model = build_segmentor(ModelConfig("mit_b0", "daformer"))
    state = model.state_dict()
    weights = {
        official: torch.from_numpy(np.asarray(det.det_weights(official, state[ours].shape)))
        for ours, official in official_names(model).items()
    }
    load_official(model, weights)
    return model.eval()


@pytest.mark.parametrize("window", [None, (64, 64)])
def test_inference_equals_the_authors(golden, det, official_b0, window):
    gold = {
        k.removeprefix("inference/daformer_sepaspp_mitb0/a/"): v
        for k, v in golden("logits.npz").items()
        if k.startswith("inference/")
    }
    names = ("slide_crop64_stride48_argmax", "slide_prob_row64")
    if window is None:
        names = ("argmax_128x256", "prob_row64")
    image = torch.from_numpy(det.det_image("img.a", (1, 3, 64, 128)))
    label, confidence = predict(official_b0, image, (128, 256), window, (48, 48))
    with torch.no_grad():
        seen = slide(official_b0, image, window, (48, 48)) if window else whole(official_b0, image)
    logits = F.interpolate(seen, (128, 256), mode="bilinear", align_corners=False)
    assert_same_labels(label.numpy(), gold[names[0]], near_ties(logits, official_b0))
    # A probability moves by at most half of what two logits move apart.
    atol = forward_bound(official_b0) * float(logits.std())
    np.testing.assert_allclose(confidence[:, 64], gold[names[1]].max(1), atol=atol)


def test_evaluation_leaves_the_model_as_it_was():
    model = build_segmentor(ModelConfig("tiny_mit", "daformer", num_classes=3)).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    truth = np.zeros((64, 64), dtype=np.uint8)
    scores = evaluate(model, [(torch.zeros(3, 64, 64), truth)] * 3, 3, batch_size=2)
    assert scores.confusion.sum() == 3 * 64 * 64
    assert model.training and model.decoder.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_neighbours_of_other_sizes_are_not_stacked():
    model = build_segmentor(ModelConfig("tiny_mit", "daformer", num_classes=3))
    samples = [(torch.zeros(3, s, s), np.zeros((s, s), np.uint8)) for s in (64, 96, 96)]
    assert evaluate(model, samples, 3, batch_size=4).confusion.sum() == 64**2 + 2 * 96**2


def test_classes_without_true_pixels_are_named_with_how_they_count():
    scores = Scores(np.array([[2, 0, 1, 0], [0, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))
    assert (scores.absent, scores.only_predicted) == ((3,), (2,))
    classes = ("road", "wall", "bus", "train")
    assert absence_notes(scores, classes) == [
        "in neither truth nor prediction, left out of the mean: train",
        "predicted, but nowhere true: counted as 0, as in the authors' metric: bus",
    ]
    assert absence_notes(scores, classes, ids=(0, 1)) == []
    assert (percent(scores.iou[3]), percent(scores.iou[0])) == ("–", "66.7")


def test_scores_without_any_truth():
    scores = Scores(np.zeros((3, 3), np.int64))
    assert scores.absent == (0, 1, 2) and np.isnan(scores.miou())
    assert percent(scores.miou()) == "–" and np.isnan(scores.accuracy)
    assert absence_notes(scores, ("a", "b", "c")) == ["no labelled pixel, so there is no score"]


def test_the_mean_is_over_what_is_evaluated():
    pixels = np.array([[2, 0, 1, 0], [0, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    scores = Scores(pixels, evaluated=(0, 1))
    assert scores.miou() == pytest.approx((2 / 3 + 1) / 2) == Scores(pixels).miou((0, 1))
    assert scores.miou((2,)) == 0 and scores.reason == ""
    only = Scores(pixels, evaluated=(3,))
    assert np.isnan(only.miou()) and only.reason.startswith("no evaluated class is in truth")
    assert np.isnan(scores.miou(()))  # a data set without rare classes has no mean over them


def test_deciding_by_class_is_deciding_at_once():
    logits = 3 * torch.randn(2, 7, 9, 11, generator=torch.Generator().manual_seed(0))
    best, expected = decide(logits, (40, 50))
    label, confidence = decide_by_class(logits, (40, 50))
    assert label.dtype == torch.int64
    torch.testing.assert_close(label, best, rtol=0, atol=0)
    torch.testing.assert_close(confidence, expected, rtol=0, atol=1e-6)
    certain = decide_by_class(torch.tensor([-1e4, 0.0, -1e4]).view(1, 3, 1, 1), (1, 1))
    assert certain[0].item() == 1 and certain[1].item() == 1
