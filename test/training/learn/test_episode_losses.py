"""Losses of meta-training: a rare class must not be learned as nothing at all."""

import pytest

torch = pytest.importorskip('torch')

from training.learn.episode_losses import (  # noqa: E402
    channel_losses,
    choice_loss,
    class_loss,
    number_loss,
)

ONE = torch.ones(1, 10, 10)


def test_to_answer_nothing_does_not_pay_however_rare_the_class_is() -> None:
    truth = torch.zeros(1, 100, 100)
    truth[0, :10, :10] = 1  # a hundredth
    near, known = torch.nn.functional.max_pool2d(truth, 5, 1, 2), torch.ones_like(truth)
    nothing = torch.full_like(truth, -3.0)
    too_much = 6 * near - 3  # 44 pixels too many
    assert class_loss(too_much, truth, known) < class_loss(nothing, truth, known)


def test_numbers_are_compared_where_they_are_known() -> None:
    truth, known = torch.full((1, 10, 10), 0.75), ONE.clone()
    known[0, 5:] = 0
    logit = torch.zeros(1, 10, 10)
    logit[0, 5:] = 9
    assert number_loss(logit, truth, known).item() == pytest.approx(4 * 0.25)
    assert number_loss(logit, truth, 0 * known).item() == 0


def test_channels_of_a_task_compete() -> None:
    logits = torch.stack([ONE * 2, ONE * 0])
    truth, known = torch.stack([ONE, 0 * ONE]), torch.ones(2, 1, 10, 10)
    assert choice_loss(logits, truth, known).item() == pytest.approx(0.12693, abs=1e-4)
    assert choice_loss(logits, 0 * truth, known).item() == 0  # none of them is right
    both = channel_losses(logits, truth, known, [True, False])
    each = class_loss(logits[0], truth[0], known[0]), number_loss(logits[1], truth[1], known[1])
    assert both.item() == pytest.approx(sum(each).item() / 2)
