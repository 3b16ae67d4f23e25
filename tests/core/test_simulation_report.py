"""What a simulation's results say, on results made by hand."""

import json
import re
from pathlib import Path

import pytest
from scipy import stats

from core.simulate.comparison import compared, in_words
from core.simulate.labelled_set import LabelledSet
from core.simulate.report import write_report
from core.simulate.results import BudgetResult, Clicks, Ranking

SET = LabelledSet(name="Blocks & more", pool=100, test=20, classes=["field", "block", "pole"])
RANDOM = {0: (0.40, 0.50, 0.55), 1: (0.42, 0.49, 0.57), 2: (0.38, 0.51, 0.56)}
CHOSEN = {0: (0.40, 0.54, 0.60), 1: (0.42, 0.53, 0.61), 2: (0.38, 0.56, 0.60)}


def result(strategy: str, seed: int, labels: int, miou: float, clicks: int) -> BudgetResult:
    return BudgetResult(
        strategy=strategy,
        recipe="consistency/np",
        seed=seed,
        labels=labels,
        label_share=labels / 100,
        round=1,
        test_miou=miou,
        class_iou={"field": miou, "block": miou / 2},
        test_ece=0.1,
        test_error_auroc=0.9,
        test_pavpu=0.765,
        ranking=None
        if strategy == "full"
        else Ranking(images=100 - labels, spearman=0.625, precision=0.5, worst=10),
        clicks=None
        if strategy == "full"
        else Clicks(
            superpixel=clicks,
            superpixel_from_scratch=3 * clicks,
            correction=clicks,
            correction_from_scratch=2 * clicks,
        ),
        labelled=[],
        train_s=1,
        score_s=1,
        wall_s=3,
        device="cpu",
        machine="a machine",
        commit="abc1234",
    )


def results(full: bool = True) -> list[BudgetResult]:
    found = []
    for strategy, mious, dearer in (("random", RANDOM, 10), ("chosen", CHOSEN, 12)):
        for seed, curve in mious.items():
            found += [
                result(strategy, seed, labels, miou, 1000 + dearer * (labels - 10))
                for labels, miou in zip((10, 20, 40), curve, strict=True)
            ]
    return found + [result("full", seed, 100, 0.62, 0) for seed in range(3)] * full


def area(curve: tuple[float, ...]) -> float:
    return (10 * (curve[0] + curve[1]) / 2 + 20 * (curve[1] + curve[2]) / 2) / 30


def test_a_strategy_is_compared_with_random_by_seed() -> None:
    rival, chosen = compared(results())
    areas = [[area(curves[seed]) for seed in range(3)] for curves in (CHOSEN, RANDOM)]
    assert chosen.area[0] == pytest.approx(sum(areas[0]) / 3)
    assert chosen.against_random is not None
    assert chosen.against_random.mean == pytest.approx(sum(areas[0]) / 3 - sum(areas[1]) / 3)
    assert chosen.p_holm == pytest.approx(stats.ttest_rel(*areas).pvalue)
    assert rival.against_random is None
    # Random's curve crosses 0.9 × 0.62 = 0.558 between 20 and 40 labels; the other one before.
    crossing = 0.20 + 0.20 * (0.558 - 0.50) / (0.56 - 0.50)
    assert rival.share_for[0.90] == pytest.approx(crossing, abs=1e-3)
    assert chosen.share_for[0.90] is not None
    assert chosen.share_for[0.90] < crossing
    assert rival.share_for[0.95] is None
    assert chosen.begins.label_share == 0.10
    assert chosen.random_clicks is not None
    assert 1120 < chosen.random_clicks < 1360


def test_holm_corrects_over_the_strategies() -> None:
    third = [
        one.model_copy(update={"strategy": "other", "test_miou": one.test_miou + 0.01 * one.seed})
        for one in results(full=False)
        if one.strategy == "random"
    ]
    _, chosen, other = compared(results(full=False) + third)
    assert chosen.against_random is not None
    assert other.against_random is not None
    assert chosen.p_holm == pytest.approx(2 * chosen.against_random.p)
    assert other.p_holm == pytest.approx(other.against_random.p)


def test_words_claim_no_more_than_the_seeds_show() -> None:
    (sentence,) = in_words(compared(results()))
    assert re.search(r"chosen is above random by 3\.\d ± 0\.\d points of mIoU \(3 paired seeds\)", sentence)
    assert "significant (p = .0" in sentence
    assert "5 % more clicks" in sentence

    two = [one for one in results() if one.seed < 2 and one.strategy != "full"]
    noisy = [
        one.model_copy(update={"test_miou": one.test_miou + 0.1})
        if (one.seed, one.strategy) == (1, "random")
        else one
        for one in two
    ]
    (sentence,) = in_words(compared(noisy))
    assert "not a significant difference" in sentence
    assert "so few seeds" in sentence

    (sentence,) = in_words(compared([one for one in two if one.seed == 0]))
    assert "one seed cannot tell" in sentence
    (sentence,) = in_words(compared([one for one in two if one.strategy == "chosen"]))
    assert "add random" in sentence


def test_a_seed_that_is_not_finished_is_left_out() -> None:
    unfinished = [one for one in results() if (one.seed, one.labels) != (2, 40)]
    assert [one.seeds for one in compared(unfinished)] == [(0, 1), (0, 1)]


def test_seeds_without_clicks_in_common_are_left_out_over_clicks_alone(tmp_path: Path) -> None:
    """Chosen images are dear: of one seed so dear that its curve begins where that of random ends."""
    dear = [
        one.model_copy(
            update={"clicks": Clicks(correction=(2000 if one.seed == 2 else 1100) + 40 * (one.labels - 10))}
        )
        if one.strategy == "chosen"
        else one
        for one in results(full=False)
    ]
    comparisons = compared(dear)
    for one in comparisons:
        assert (one.seeds, one.seeds_over_clicks) == ((0, 1, 2), (0, 1))
    rival, chosen = comparisons
    test = chosen.against_random_over_clicks
    assert test is not None
    assert test.pairs == 2
    assert test.mean == pytest.approx(chosen.area_over_clicks[0] - rival.area_over_clicks[0])

    (sentence,) = in_words(comparisons)
    assert sentence.startswith("Over the budgets, chosen is above random by 3.")
    assert re.search(
        r"Over the same clicks it is below random by \d\.\d ± .+ \(2 paired seeds\): sig", sentence
    )

    path = tmp_path / "report.html"
    write_report(path, dear, SET, conditions={}, seconds_per_click=2.0, command="")
    rows = re.findall(r"<tr><td class=left>chosen</td>.+?</tr>", path.read_text(encoding="utf-8"))
    cells = re.findall(r"<td>(.*?)</td>", rows[0])
    assert cells[0] == "3"
    assert cells[5] == "2"
    assert re.fullmatch(r"\d\d\.\d ± \d\.\d", cells[6])


def test_the_lead_speaks_of_budgets_wherever_there_are_several() -> None:
    without_clicks = [one.model_copy(update={"clicks": None}) for one in results(full=False)]
    assert compared(without_clicks)[1].seeds_over_clicks == ()
    assert in_words(compared(without_clicks))[0].startswith("Over the budgets, chosen")
    last = [one for one in results(full=False) if one.labels == 40]
    (sentence,) = in_words(compared(last))
    assert sentence.startswith("At these labels, chosen")
    assert "Over the same clicks" not in sentence


def test_the_report_holds_the_numbers_and_needs_no_network(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    conditions = {
        "start": "random",
        "settings": {"steps": 40},
        "annotator": {"target": 0.95, "most_clicks": 200},
    }
    write_report(
        path,
        results(),
        SET,
        conditions=conditions,
        seconds_per_click=3.0,
        command="run_app.py simulate --full",
    )
    report = path.read_text(encoding="utf-8")
    assert "Blocks &amp; more" in report
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", report)
    body = report[report.index("<main>") :]
    assert "+3." in body
    assert "62.0 ± 0.0" in body
    assert "≤" not in body, "no curve begins above a mark"
    assert ">at least " not in body
    assert "not reached" in body
    assert ">0.62<" in body
    assert ">0.765<" in body
    assert "50 %" in body
    # The first 10 images cost 1000 clicks, the last 20 of random 10 and of the other 12 each.
    assert ">100 to 10<" in body
    assert ">100 to 12<" in body
    # The curve of random crosses 0.558 after (0.058 / 0.06) of the 200 clicks from 20 to 40 images.
    assert f">{1100 + 200 * 0.058 / 0.06:,.0f}<" in body
    # Random pays 1300 clicks for 40 images and 2600 from scratch, at 3 s each.
    assert f"{1300 * 3 / 3600:.2f} h" in body
    assert "3 s each" in body
    assert "abc1234" in body
    assert "steps 40" in body
    assert "run_app.py simulate --full" in body
    for name in SET.classes:
        assert name in body


def test_a_curve_that_begins_above_a_mark_gives_an_upper_bound(tmp_path: Path) -> None:
    early = [
        one.model_copy(update={"test_miou": one.test_miou + 0.18}) if one.strategy == "chosen" else one
        for one in results()
    ]
    path = tmp_path / "report.html"
    write_report(path, early, SET, conditions={}, seconds_per_click=2.0, command="")
    report = path.read_text(encoding="utf-8")
    assert ">≤ 10.0 %<" in report
    # It has paid 1000 clicks for its first point, random 1300 for its last.
    assert f">at least {300 * 2 / 3600:.2f} h<" in report


def test_the_report_says_what_other_test_images_might_say(tmp_path: Path) -> None:
    """On every second image the choice helps by 20 points, on the others not at all."""

    def counted(one: BudgetResult) -> BudgetResult:
        better = 20 if one.strategy == "chosen" else 0
        kinds = [([50 + better], [100], [50 + better]), ([50], [100], [50])]
        return one.model_copy(update={"test_counts": kinds * 10})

    def cell_of(report: Path) -> str | None:
        text = report.read_text(encoding="utf-8")
        row = re.search(r"<tr><td class=left>chosen</td>.+?</tr>", text)
        assert row is not None
        return re.findall(r"<td>(.*?)</td>", row[0])[5] if "over test images" in text else None

    path = tmp_path / "report.html"
    counts = [counted(one) for one in results(full=False)]
    described = SET.model_copy(update={"test_groups": [None] * 20})
    write_report(path, counts, described, conditions={}, seconds_per_click=2.0, command="")
    # Of 20 draws of which half help, 6 to 14 do.
    assert cell_of(path) == "+6.0 to +14.0"

    of_drives = SET.model_copy(update={"test_groups": [f"drive {place // 10}" for place in range(20)]})
    for kept, of_set in ((counts, of_drives), (counts, SET), (results(full=False), described)):
        write_report(path, kept, of_set, conditions={}, seconds_per_click=2.0, command="")
        assert cell_of(path) is None, "two drives, or counts or groups that were not kept"


def test_a_class_name_with_angle_brackets_is_shown_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    described = SET.model_copy(update={"classes": ["field", "<b>block</b>", "pole"]})
    write_report(path, results(), described, conditions={}, seconds_per_click=2.0, command="")
    report = path.read_text(encoding="utf-8")
    axes = [json.loads(found) for found in re.findall(r'"x":(\["field",.+?\])', report)]
    assert axes == [["field", "&lt;b&gt;block&lt;/b&gt;", "pole"]]


def test_ten_strategies_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    many = [
        one.model_copy(update={"strategy": f"way {number}"})
        for number in range(10)
        for one in results(full=False)
        if one.strategy == "random"
    ]
    write_report(path, many, SET, conditions={}, seconds_per_click=2.0, command="")
    charts = re.findall(r"Plotly\.newPlot\(\s*\"[^\"]+\",\s*(\[.*)", path.read_text(encoding="utf-8"))
    traces, end = json.JSONDecoder().raw_decode(charts[0])
    legend = [one for one in traces if one.get("showlegend", True)]
    assert len({(one["line"]["color"], one["marker"]["symbol"]) for one in legend}) == len(legend) == 10
    assert '"hovermode":"closest"' in charts[0][end:], "a box with all of them would cover the chart"
