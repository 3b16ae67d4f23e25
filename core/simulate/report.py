"""The report of a simulation: one HTML file that needs nothing else, neither server nor network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from core.simulate.comparison import Comparison, compared, curves_of, in_words
from core.simulate.grid import FULL
from core.simulate.labelled_set import LabelledSet
from core.simulate.report_figures import Figures
from core.simulate.report_tables import comparison_table, cost_table, listed, origin_table, ranking_table
from core.simulate.results import BudgetResult, noted
from storage.files import write_atomically


def write_report(
    path: Path,
    results: Sequence[BudgetResult],
    described: LabelledSet,
    *,
    conditions: Mapping[str, Any],
    seconds_per_click: float,
    command: str,
) -> None:
    """Write the report of finished budgets.

    Args:
        path: The HTML file.
        results: At least one.
        described: The labelled set.
        conditions: What held for all runs, by name.
        seconds_per_click: What a click takes, for the hours.
        command: The command line.
    """
    comparisons = compared(results, described.test_groups)
    recipes = list(dict.fromkeys(one.recipe for one in comparisons))
    lead, *rest = in_words(comparisons)
    budgets = sorted({one.labels for one in results if one.strategy != FULL})
    parts = [
        f"<h1>{escape(described.name)}: which images are worth labelling?</h1>",
        f'<p class="lead">{escape(lead)}</p>',
        *(f"<p>{escape(sentence)}</p>" for sentence in rest),
        f"<p class=note>{_what_was_done(described, comparisons, budgets)}</p>",
    ]
    for recipe in recipes:
        of_recipe = [one for one in results if one.recipe == recipe]
        parts += _recipe_parts(
            of_recipe,
            [one for one in comparisons if one.recipe == recipe],
            described.classes,
            conditions,
            seconds_per_click,
            heading=recipe if len(recipes) > 1 else "",
        )
    if notes := noted(results):
        parts.append("<h2>What the rounds noted</h2>")
        parts += [f"<p>{escape(note)}</p>" for note in notes]
    parts += ["<h2>Settings and origin</h2>", origin_table(results, conditions, command)]
    write_atomically(path, _page(described.name, "\n".join(parts)).encode())


def _recipe_parts(
    results: Sequence[BudgetResult],
    comparisons: Sequence[Comparison],
    class_names: Sequence[str],
    conditions: Mapping[str, Any],
    seconds_per_click: float,
    heading: str,
) -> list[str]:
    """Return figures and tables of one recipe."""
    curves = {key[1]: of for key, of in curves_of(results).items() if key[1] != FULL}
    full = [one for one in results if one.strategy == FULL]
    figures = Figures(curves, full)
    after = f" · {escape(heading)}" if heading else ""
    parts = [
        f"<h2>Learning curves{after}</h2>",
        "<p>Mean IoU on the test images after each round. A line is the mean over seeds, its band one "
        "standard deviation, a dot one seed. Every label here trains; in a project those of the audit do not "
        "(one in six, up to 30), and from the fourth on they scale the uncertainty. It has so many labels "
        "more at the same place of a curve.</p>",
        figures.learning("labels"),
        "<p>The same over what the labels cost: clicks to correct the suggestion of the round before, or to "
        "label from scratch where there was none or that takes fewer. Images that a model is unsure of can "
        "cost more clicks, so a win in images may be none here.</p>",
        figures.learning("clicks"),
    ]
    if any(one.against_random for one in comparisons):
        parts += [
            f"<h2>Difference to random{after}</h2>",
            "<p>Paired by seed: a dot is one seed, a bar one standard deviation of the differences.</p>",
            figures.difference(),
        ]
    return [
        *parts,
        f"<h2>Strategies compared{after}</h2>",
        comparison_table(comparisons, full),
        f"<h2>What the labels cost{after}</h2>",
        cost_table(comparisons, curves, seconds_per_click, conditions),
        "<p>Clicks for each image labelled up to a budget since the one before: solid when the suggestion is "
        "corrected, dotted when the same images are labelled from scratch.</p>",
        figures.clicks_per_image(),
        f"<h2>IoU of each class{after}</h2>",
        "<p>At the last budget, mean over seeds. An empty field is a class that no test image shows.</p>",
        figures.classes(class_names),
        f"<h2>Does the score find the images that the model gets wrong?{after}</h2>",
        "<p>Rank correlation (Spearman) of the image score with 1 − mIoU of the suggestion, over the images "
        "left in the pool: 1 is perfect, 0 is chance.</p>",
        figures.ranking(),
        ranking_table(curves),
    ]


def _what_was_done(described: LabelledSet, comparisons: Sequence[Comparison], budgets: Sequence[int]) -> str:
    seeds = sorted({seed for one in comparisons for seed in one.seeds})
    return escape(
        f"A pool of {described.pool} images, {described.test} test images that nobody labels, "
        f"{len(described.classes)} classes. The truth answers for the annotator at {listed(budgets)} "
        f"labels; "
        f"seed{'s' if len(seeds) > 1 else ''} {listed(seeds)}. All strategies of a seed begin with the "
        f"same images "
        "and weights. Differences are tested by a two-sided paired t-test on the area under the curve, p "
        "values "
        "corrected by Holm over the strategies of a recipe."
    )


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Simulation on {escape(title)}</title>
<style>{_STYLE}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
<main>
{body}
</main>
<script>{_THEME}</script>
</body>
</html>
"""


_STYLE = """
:root { color-scheme: light dark; --ink: #20242e; --soft: #5d6475; --line: #dfe2e9; --page: #fbfbfd; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ee; --soft: #a3a9b8; --line: #333846; --page: #14161c; }
}
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 40px 20px 80px; }
h1 { font-size: 28px; line-height: 1.25; margin: 0 0 20px; }
h2 { font-size: 20px; margin: 48px 0 8px; }
p { margin: 8px 0; max-width: 960px; }
.lead { font-size: 19px; font-weight: 550; }
.note { color: var(--soft); font-size: 14px; }
figure { margin: 12px 0 20px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { padding: 6px 8px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: bottom; }
td { white-space: nowrap; }
th { font-weight: 600; color: var(--soft); }
.left, .origin th, .origin td { text-align: left; }
.origin th, .origin td { vertical-align: top; }
.origin td { white-space: normal; overflow-wrap: anywhere; }
.origin th { white-space: nowrap; width: 1%; }
"""

_THEME = """
const dark = matchMedia("(prefers-color-scheme: dark)");
function paint() {
  const ink = dark.matches ? "#c9cdd8" : "#454b5a";
  const hover = { bgcolor: dark.matches ? "#20242e" : "#ffffff", font: { color: ink }, namelength: -1 };
  for (const plot of document.querySelectorAll(".js-plotly-plot"))
    Plotly.relayout(plot, { "font.color": ink, hoverlabel: hover });
}
dark.addEventListener("change", paint);
paint();
"""
