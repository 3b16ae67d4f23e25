"""What uncertainty and rankings are worth: tables."""

from __future__ import annotations

import statistics

from table_text import Rows, lowest_to_highest, origin, read, spread, table, values_of

from core.learning_curve import paired_t_test

OURS = "NP, latent classifier"


def uncertainty() -> str:
    """Return the table of rivals and ablations, and the paired differences to the default head."""
    return _uncertainty(read("uncertainty"))


def whole_uncertainty() -> str:
    """Return the same of the whole network on a GPU."""
    times = {row["method"]: row for row in read("whole_time")}
    cost = ("ms_per_image", "times_one_pass")
    rows = [
        {**row, **{name: times[row["method"]][name] for name in cost}} for row in read("whole_uncertainty")
    ]
    return _uncertainty(rows)


def _uncertainty(rows: Rows) -> str:
    figures = {
        "mIoU": ("miou", 3),
        "error AUROC": ("error_auroc", 3),
        "AUPR": ("error_aupr", 3),
        "AURC": ("aurc", 4),
        "Spearman": ("spearman", 3),
        "AUROC of MI": ("mi_auroc", 3),
        "Spearman of MI": ("mi_spearman", 3),
        "AUROC of confidence": ("confidence_auroc", 3),
        "AURC of confidence": ("confidence_aurc", 4),
        "Spearman of confidence": ("confidence_spearman", 3),
        "mean MI": ("mean_mi", 4),
        "MI, small context": ("mean_mi_small_context", 4),
        "active dim.": ("active_dimensions", 1),
        "ECE": ("ece", 3),
        "class-wise ECE": ("classwise_ece", 4),
        "NLL": ("nll", 3),
        "Brier": ("brier", 3),
        "PAvPU": ("pavpu", 3),
    }
    timed = {"ms per image, over runs": ("ms_per_image", 0), "passes, over runs": ("times_one_pass", 2)}
    figures, timed = (
        {label: figure for label, figure in those.items() if figure[0] in rows[0]}
        for those in (figures, timed)
    )
    methods = list(dict.fromkeys(row["method"] for row in rows))
    seeds = {method: {row["seed"] for row in rows if row["method"] == method} for method in methods}
    lines = [
        [
            method,
            str(len(seeds[method])),
            *(spread(values_of(rows, name, method=method), digits) for name, digits in figures.values()),
            *(
                lowest_to_highest(values_of(rows, name, method=method), digits)
                for name, digits in timed.values()
            ),
        ]
        for method in methods
    ]
    parts = [
        table(["method", "seeds", *figures, *timed], lines),
        f"{OURS} minus the other, paired over seeds:",
        _ours_against(
            rows,
            {
                "mIoU": ("miou", "miou"),
                "error AUROC": ("error_auroc", "error_auroc"),
                "Spearman": ("spearman", "spearman"),
            },
        ),
    ]
    if "confidence_auroc" in rows[0]:
        against = {
            "AUROC − of entropy": ("confidence_auroc", "error_auroc"),
            "AUROC − of confidence": ("confidence_auroc", "confidence_auroc"),
            "Spearman − of entropy": ("confidence_spearman", "spearman"),
            "Spearman − of confidence": ("confidence_spearman", "confidence_spearman"),
        }
        parts += [
            f"Confidence of {OURS} minus entropy or confidence of the other, paired over seeds:",
            _ours_against(rows, against),
        ]
    return "\n\n".join([*parts, origin(rows)])


def _ours_against(rows: Rows, figures: dict[str, tuple[str, str]]) -> str:
    """Return the table of paired differences; ``figures`` are our column and the other's by label."""
    seeds: dict[str, set[str]] = {}
    for row in rows:
        seeds.setdefault(row["method"], set()).add(row["seed"])
    lines = []
    for method in seeds:
        if method == OURS:
            continue
        both = [row for row in rows if row["seed"] in seeds[OURS] & seeds[method]]
        cells = [method, str(len(seeds[OURS] & seeds[method]))]
        for ours, others in figures.values():
            test = paired_t_test(values_of(both, ours, method=OURS), values_of(both, others, method=method))
            cells += [f"{test.mean:+.3f} ± {test.deviation:.3f}", f"{test.p:.3f}"]
        lines.append(cells)
    return table(["method", "seeds", *(cell for label in figures for cell in (label, "p"))], lines)


def ranking() -> str:
    """Return how scores rank the pool by true errors, and ours against softmax and BAAL's way, paired."""
    return _ranking(read("ranking"))


def whole_ranking() -> str:
    """Return the same of the whole network."""
    rows = read("whole_ranking")
    networks = ["softmax, linear head", OURS, "MC dropout, whole network"]
    kept = [row for row in rows if row["network"] in networks]
    return _ranking(sorted(kept, key=lambda row: networks.index(row["network"])))


def _ranking(rows: Rows) -> str:
    aggregations = list(dict.fromkeys(row["aggregation"] for row in rows))
    softmax, ours, dropout = dict.fromkeys(row["network"] for row in rows)
    kinds = [
        (softmax, "predictive_entropy", "mean"),
        (dropout, "mutual_information", "mean"),
        (ours, "predictive_entropy", "mean"),
        (ours, "predictive_entropy", "top_share"),
        (ours, "mutual_information", "mean"),
        (ours, "vote_entropy", "mean"),
    ]
    rivals = kinds[:2]
    errors = {
        "1 − mIoU": ("spearman", "precision"),
        "pixel error": ("spearman_pixel_error", "precision_pixel_error"),
    }

    def of(kind: tuple[str, ...], name: str) -> list[float]:
        return values_of(rows, name, network=kind[0], pixel_score=kind[1], aggregation=kind[2])

    parts = []
    for error, (spearman, _) in errors.items():
        lines = [
            [network, score, *(spread(of((network, score, one), spearman), 2) for one in aggregations)]
            for network, score in dict.fromkeys((row["network"], row["pixel_score"]) for row in rows)
        ]
        parts += [f"Spearman of score and {error}:", table(["network", "pixel score", *aggregations], lines)]
        for network in (softmax, ours, dropout):
            measured = dict.fromkeys(
                (network, row["pixel_score"], row["aggregation"]) for row in rows if row["network"] == network
            )
            best = max(measured, key=lambda kind, name=spearman: statistics.mean(of(kind, name)))  # type: ignore[misc]
            kinds += [best] if best not in kinds else []
    information = [f"{kind[0]} {spread(values, 4)}" for kind in kinds[:3] if (values := of(kind, "mean_mi"))]
    if information:
        parts.append(f"Mean MI of a network's samples over the pool, in nats: {', '.join(information)}.")
    compared = []
    for kind in kinds:
        cells = [*kind]
        for spearman, precision in errors.values():
            values = of(kind, spearman)
            cells += [spread(values, 2), spread(of(kind, precision), 2)]
            for rival in rivals:
                pairs = zip(values, of(rival, spearman), strict=True)
                cells.append("" if kind == rival else spread([a - b for a, b in pairs], 2, sign=True))
        compared.append(cells)
    head = ["network", "pixel score", "aggregation"]
    for error in errors:
        head += [error, "precision", "− softmax entropy", "− BALD"]
    return "\n\n".join(
        [
            *parts,
            "Against softmax entropy and BALD with MC dropout, both by their mean, paired over seeds; the "
            "last rows are the best of each network by this very table:",
            table(head, compared),
            origin(rows),
        ]
    )
