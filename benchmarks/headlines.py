"""What the README says is measured: a figure or two of each question, read from the tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

from table_text import table
from tables_of_costs import step
from tables_of_learning import DEFAULT, active_learning, learning_curves, whole_active_learning
from tables_of_recipes import semi, whole_semi
from tables_of_rounds import asked_rounds, batch_statistics, decoders, label_exactness, large_pool
from tables_of_screens import (
    POLYGONS,
    canvas,
    correction_actions,
    first_suggestions,
    label_page,
    suggestion_edges,
)
from tables_of_uncertainty import OURS, whole_ranking, whole_uncertainty

CPU = "CPU, two cores"
GPU = "one H200"
DROPOUT = "MC dropout, whole network"
NAMES = {"camvid": "CamVid", "nuclei": "nuclei"}
active_learning_nuclei = partial(learning_curves, "active_learning_nuclei")


class Headline(NamedTuple):
    """A question, the section of the page that has its table, what was found, and where."""

    question: str
    section: str
    answer: str
    machine: str


def headlines() -> str:
    """Return the README's table, a line a question."""
    lines = [
        [f"[{one.question}](docs/benchmarks.md#{one.section})", one.answer, one.machine]
        for one in (
            _first_rounds(),
            _first_suggestions(),
            _corrections(),
            _exactness(),
            _edges(),
            _large_pool(),
            _choice_among_kinds(),
            _choice_in_one_kind(),
            _choice_on_a_gpu(),
            _unlabelled_images(),
            _whole_network(),
            _further_rounds(),
            _statistics(),
            _ranking(),
            _samples(),
            _training_step(),
            _canvas(),
            _label_page(),
        )
    ]
    return table(["question", "what was measured", "on"], lines).replace("---:", "---").replace("-0.", "−0.")


def _first_rounds() -> Headline:
    def reached(images: str) -> str:
        wanted = {"images": images, "part": "test", "decoder": "FPN"}
        return " and ".join(mean(line(decoders, 1, **wanted, labels=count)["mIoU"]) for count in ("8", "16"))

    return Headline(
        "What do the first labels teach?",
        "which-decoder-learns-most-from-few-labels",
        f"8 and 16 random images, two minutes of training on one core each time: {reached('camvid')} mIoU "
        f"on the test images of CamVid, {reached('nuclei')} on those of the nuclei",
        CPU,
    )


def _first_suggestions() -> Headline:
    def actions(images: str) -> list[str]:
        return [
            _rounded(line(first_suggestions, images=images, beginning=beginning)["actions to 95 %"])
            for beginning in ("nothing", "4 labels", "8 labels")
        ]

    camvid, nuclei = actions("camvid"), actions("nuclei")
    return Headline(
        "What do the first suggestions save?",
        "after-how-many-labels-does-a-first-round-pay",
        f"A person's actions until 95 % of the pixels are right: CamVid {camvid[0]} from nothing, "
        f"{camvid[1]} from suggestions after four labels, {camvid[2]} after eight; "
        f"nuclei {nuclei[0]}, {nuclei[1]} and {nuclei[2]}",
        CPU,
    )


def _corrections() -> Headline:
    corrected, drawn = (
        line(correction_actions, agreement="95%", way=way)["median"]
        for way in ("correcting the suggestion", POLYGONS)
    )
    return Headline(
        "And those of the third round?",
        "how-many-actions-does-a-correction-take",
        f"CamVid, one training: {corrected} actions in the median, {drawn} by polygons alone",
        CPU,
    )


def _exactness() -> Headline:
    def at(images: str) -> str:
        rows = [
            line(label_exactness, images=images, **{"right pixels": right})
            for right in ("90 %", "95 %", "98 %")
        ]
        return ", ".join(f"{mean(row['test'])} ({_rounded(row['labelled'])})" for row in rows)

    return Headline(
        "How exactly should one label?",
        "how-exactly-should-one-label",
        "Until about 95 % of the pixels are right. For the same work from nothing, to 90, 95 and 98 %, mIoU "
        f"on the test images (and how many were labelled): CamVid {at('camvid')}; nuclei {at('nuclei')}",
        CPU,
    )


def _edges() -> Headline:
    gained = {
        images: mean(line(suggestion_edges, images=images, way="as shown over bilinear, paired")["mIoU"])
        for images in ("nuclei", "camvid")
    }
    return Headline(
        "What are suggestions along the edges worth?",
        "what-are-suggestions-along-the-edges-worth",
        f"{gained['nuclei']} points of mIoU on nuclei and {gained['camvid']} on CamVid over the same "
        "predictions enlarged bilinearly",
        CPU,
    )


def _large_pool() -> Headline:
    scored = line(large_pool, scored="2000")
    after, whole = (
        f"{int(scored[name]) // 60}:{int(scored[name]) % 60:02}" for name in ("suggests after, s", "round, s")
    )
    return Headline(
        "When does a round on 3,000 images suggest?",
        "what-does-a-round-on-a-large-pool-take",
        f"After {after} minutes for the images that come next, and it ends after {whole}",
        CPU,
    )


def _choice_among_kinds() -> Headline:
    start = {"recipe": "supervised", "start": "random"}
    reached = {
        name: line(active_learning_nuclei, **start, strategy=name)["37 images"]
        for name in (DEFAULT, "improved random", "random")
    }
    above = line(active_learning_nuclei, 2, **start, strategy="random")["above"]
    return Headline(
        "Does the choice pay where images are of several kinds?",
        "on-another-set-nuclei",
        f"Yes. 37 of 464 nuclei images, frozen encoder, test images: {DEFAULT}, the default, "
        f"{reached[DEFAULT]} mIoU; random images {reached['random']}, below it in {above} seeds; "
        f"drawn by predicted classes (*improved random*) {reached['improved random']}",
        CPU,
    )


def _choice_in_one_kind() -> Headline:
    start = {"recipe": "supervised", "start": "random"}
    reached = {
        name: mean(line(active_learning, 1, **start, strategy=name)["55 images"])
        for name in ("random", "k-centre", DEFAULT)
    }
    above = [f"{float(reached[name]) - float(reached['random']):.1f}" for name in ("k-centre", DEFAULT)]
    return Headline(
        "And where they are of one kind?",
        "what-does-the-choice-bring",
        "In the tool and not elsewhere. 55 of 367 CamVid images, frozen encoder, mIoU of all 367: k-centre "
        f"{above[0]} and {DEFAULT} {above[1]} above random images; on the test images, most of another "
        "drive, random ones are the best of eleven ways",
        CPU,
    )


def _choice_on_a_gpu() -> Headline:
    def above(of: str) -> str:
        area = line(whole_active_learning, 1, strategy=DEFAULT, **{"mIoU of": of})["area"]
        return " ± ".join(f"{float(figure):.1f}" for figure in area.split(" ± "))

    return Headline(
        "And with all of the network trained?",
        "what-the-choice-brings",
        f"CamVid, 10 to 40 % of the images: {DEFAULT} is {above('the set')} above random images on the set "
        f"and {above('test')} on the test images",
        GPU,
    )


def _unlabelled_images() -> Headline:
    wanted = {
        "recipe": "consistency",
        "head": "np_classifier",
        "over": "supervised, np_classifier, 200 steps",
    }
    gained = line(semi, 1, **wanted)
    return Headline(
        "What do the unlabelled images bring?",
        "what-do-the-unlabelled-images-bring",
        "CamVid, frozen encoder, over the same head on labels alone: "
        + ", ".join(f"{gained[f'{count} labelled']} with {count} labels" for count in (18, 37, 73)),
        CPU,
    )


def _whole_network() -> Headline:
    long = {"labelled": "37", "steps": "2400"}
    every, alone, unlabelled = (
        line(whole_semi, **wanted)["test mIoU"]
        for wanted in (
            {"labelled": "367"},
            {**long, "recipe": "supervised", "head": "np_classifier"},
            {**long, "recipe": "consistency", "head": "linear"},
        )
    )
    return Headline(
        "And with all of the network trained?",
        "what-the-unlabelled-images-bring",
        f"CamVid: {every} mIoU with 367 labels, {alone} with 37, "
        f"{unlabelled} with 37 and the unlabelled images",
        GPU,
    )


def _further_rounds() -> Headline:
    wanted = {"rounds on the same labels": "3"}
    return Headline(
        "Does it pay to train on while no label comes?",
        "does-it-pay-to-train-on-with-the-same-labels",
        "Two further rounds on the same 8 and 16 labels, points of mIoU: "
        + _of_each_set(asked_rounds, "over one round each", **wanted),
        CPU,
    )


def _statistics() -> Headline:
    wanted = {"part": "test", "statistics": "difference, paired"}
    return Headline(
        "What do batch statistics of whole images bring?",
        "what-do-batch-statistics-of-whole-images-bring",
        "After 8 and 16 labels, points of mIoU: " + _of_each_set(batch_statistics, "mIoU", **wanted),
        CPU,
    )


def _ranking() -> Headline:
    ours, softmax, dropout = (
        f"{float(mean(line(whole_ranking, 1, network=network, **{'pixel score': score})['mean'])):.2f}"
        for network, score in (
            (OURS, "vote_entropy"),
            ("softmax, linear head", "predictive_entropy"),
            (DROPOUT, "mutual_information"),
        )
    )
    return Headline(
        "Does the uncertainty find the bad predictions?",
        "do-the-scores-find-the-bad-predictions-1",
        "Rank correlation with an image's share of wrong pixels: vote entropy over 20 draws of the neural "
        f"process {ours} (the best of 42 scores), softmax entropy {softmax}, BALD with MC dropout {dropout}",
        GPU,
    )


def _samples() -> Headline:
    ours, dropout = (
        float(mean(line(whole_uncertainty, method=method)["passes, over runs"])) for method in (OURS, DROPOUT)
    )
    return Headline(
        "What do the samples cost?",
        "how-good-the-uncertainty-is",
        f"20 draws of the default head {ours:.2f} times one pass, 20 of MC dropout {dropout:.0f} times",
        GPU,
    )


def _training_step() -> Headline:
    ours = line(step, what="NP head, training step", implementation="ours", size="129x129")
    return Headline(
        "What does a training step of head `np` cost?",
        "what-does-a-step-cost",
        f"{float(ours['time / released']):.2f} of the released code's time and "
        f"{float(ours['memory / released']):.2f} of its memory, at features of 129²",
        GPU,
    )


def _canvas() -> Headline:
    ours = {"tool": "Qualm", "condition": "quiet"}
    opened, undone, saved = (
        _rounded(line(canvas, **ours, image="4000x3000", measure=name)["p50 ms"])
        for name in ("cold open", "undo of 500 strokes", "save")
    )
    ahead = sorted(
        int(_rounded(line(canvas, **ours, image=size, measure="submit, prefetched")["p50 ms"]))
        for size in ("1280x720", "2048x1024")
    )
    return Headline(
        "How quick is the canvas?",
        "how-quick-is-the-label-canvas",
        f"4000×3000: opening {opened} ms, an undo {undone} ms, a save {saved} ms beside the stroke. "
        f"1280×720 and 2048×1024: the next image {ahead[0]} to {ahead[1]} ms after Enter",
        CPU,
    )


def _label_page() -> Headline:
    first, again = (
        float(
            line(label_page, canvas="one script", visit=visit, **{"round trip": "0 ms"})[
                "address to image"
            ].removesuffix(" s")
        )
        for visit in ("first", "again")
    )
    return Headline(
        "How soon can one label?",
        "how-soon-is-an-image-on-the-label-page",
        f"{first:.1f} s after the address at a browser's first visit, {again:.1f} s later on",
        CPU,
    )


@cache
def _made(tables: Callable[[], str]) -> str:
    return tables()


def line(tables: Callable[[], str], place: int = 0, /, **wanted: str) -> dict[str, str]:
    """Return a line of one of the tables, cells by column; of columns with one name, the first.

    Raises:
        StopIteration: When no line has the wanted cells.
    """
    text = [part for part in _made(tables).split("\n\n") if part.startswith("|")][place]
    head, _, *lines = ([cell.strip() for cell in one.strip("|").split("|")] for one in text.splitlines())
    found = [dict(zip(reversed(head), reversed(cells), strict=True)) for cells in lines]
    return next(one for one in found if wanted.items() <= one.items())


def _of_each_set(tables: Callable[[], str], column: str, **wanted: str) -> str:
    """Return what stands in a column with 8 and with 16 labels, of each set of images."""
    found = {
        name: [line(tables, images=images, labels=labels, **wanted)[column] for labels in ("8", "16")]
        for images, name in NAMES.items()
    }
    return "; ".join(f"{name} {' and '.join(both)}" for name, both in found.items())


def mean(cell: str) -> str:
    return cell.split(" ± ")[0].lstrip("+")


def _rounded(cell: str) -> str:
    return f"{float(mean(cell)):.0f}"
