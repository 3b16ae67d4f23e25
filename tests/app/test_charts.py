import dataclasses

import pytest

from app import charts
from storage.projects import ClassInfo
from tests.app.finished_round import finished

CLASSES = [
    ClassInfo(0, "sky", "#56b4e9", "Digit1", False),
    ClassInfo(1, "road", "#d55e00", "Digit2", False),
]


def traces(figure) -> dict[str, tuple[list, list]]:
    return {trace.name: (list(trace.x), list(trace.y)) for trace in figure.data}


def test_loss_figure_shows_total_and_weighted_parts_in_step_order():
    points = [(2, "loss", 1.0), (1, "loss", 1.0), (1, "kl", 2.0), (2, "kl", 2.0), (1, "class_iou/0", 0.5)]
    figure = charts.loss_figure(points, steps=50, weights={"kl": 0.1})
    drawn = traces(figure)
    assert list(drawn) == ["kl × 0.1", "total"]
    assert drawn["kl × 0.1"][0] == drawn["total"][0] == [1, 2]
    assert drawn["kl × 0.1"][1] == pytest.approx([0.2, 0.2])
    assert list(figure.layout.xaxis.range) == [0, 50]


def test_a_line_stands_where_unlabelled_images_join():
    points = [(step, "loss", 1.0) for step in (1, 2, 3)]
    joined = charts.loss_figure([*points, (2, "unlabelled", 0.5), (3, "unlabelled", 0.4)])
    assert [shape.x0 for shape in joined.layout.shapes] == [2]
    for first in (1, 4):
        always = charts.loss_figure([*points, *((step, "unlabelled", 0.5) for step in range(first, 4))])
        assert not always.layout.shapes


def test_a_fresh_start_that_was_worse_is_told_from_what_came_after_it():
    points = [(step, name, 1.0) for step in (1, 50, 51, 100) for name in ("loss", "audit_miou")]
    for figure in (
        charts.loss_figure(points, 100, begun_again=50),
        charts.quality_in_round_figure(points, [], 100, begun_again=50),
    ):
        assert list(figure.layout.xaxis.range) == [0, 100]
        assert [shape.x0 for shape in figure.layout.shapes] == [50]


def test_shares_have_an_axis_of_their_own():
    figure = charts.loss_figure([(1, "loss", 3.0), (1, "pseudo_labelled_share", 0.4)])
    assert {trace.name: trace.yaxis for trace in figure.data} == {
        "pseudo labelled": "y2",
        "total": None,
    }


def test_quality_in_round_uses_class_names_and_colours():
    points = [(10, "class_iou/1", 0.4), (10, "audit_miou", 0.45), (10, "class_iou/7", 0.9), (10, "loss", 3.0)]
    figure = charts.quality_in_round_figure(points, CLASSES)
    assert traces(figure) == {"road": ([10], [0.4]), "audit mIoU": ([10], [0.45])}
    assert figure.data[0].line.color == "#d55e00"


def test_long_class_names_leave_room_for_the_curves():
    named = [dataclasses.replace(CLASSES[0], name="vegetation of the roadside")]
    figure = charts.quality_in_round_figure([(10, f"class_iou/{named[0].index}", 0.4)], named)
    assert figure.data[0].name == "vegetation of the roa…"


def test_quality_by_round_leaves_out_rounds_without_an_audit():
    rounds = [
        finished(3, audit_miou=0.7, class_iou={"0": 0.9, "1": None}),
        finished(1, audit_miou=0.5, class_iou={"0": 0.8, "1": 0.2}),
        finished(2, audit_miou=None),
        finished(4, state="failed", audit_miou=0.1),
        # The same network on more audit images: no step of the curve has to do with the model.
        finished(5, kind="ranks", parent=3, audit_miou=0.6),
    ]
    figure = charts.quality_by_round_figure(rounds, CLASSES)
    assert traces(figure) == {
        "sky": ([1, 3], [0.8, 0.9]),
        "road": ([1], [0.2]),
        "audit mIoU": ([1, 3], [0.5, 0.7]),
    }


def test_the_range_of_a_rounds_audit_is_drawn_where_there_is_one():
    rounds = [
        finished(1, audit_miou=0.5),
        finished(2, audit_miou=0.6, audit_miou_low=0.45, audit_miou_high=0.7),
    ]
    bars = charts.quality_by_round_figure(rounds, CLASSES).data[-1].error_y
    assert list(bars.arrayminus) == pytest.approx([0, 0.15])
    assert list(bars.array) == pytest.approx([0, 0.1])


def test_figures_of_nothing_are_empty():
    assert not charts.loss_figure([]).data
    assert not charts.quality_in_round_figure([], CLASSES).data
    assert not charts.quality_by_round_figure([], CLASSES).data


def test_running_mean_starts_unbiased_and_stays_within_its_values():
    means = charts.running_mean([4.0, 2.0, 0.0])
    assert means[0] == pytest.approx(4.0)
    assert 0.0 < means[2] < means[1] < 4.0
    assert charts.running_mean([3.0] * 5) == pytest.approx([3.0] * 5)
