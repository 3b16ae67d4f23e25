"""What the options of the choice of the next images are called, and when each is the right one.

Keyed by the words of :class:`storage.settings.RoundSettings` and :data:`storage.schema.PIXEL_SCORES`.
"""

from __future__ import annotations

from typing import NamedTuple


class Option(NamedTuple):
    """An option's name on the screen and one line on when to use it."""

    name: str
    when: str


PIXEL_SCORE = {
    "predictive_entropy": Option("Predictive entropy", "All doubt of the model. The safe default."),
    "mutual_information": Option(
        "Mutual information",
        "Only doubt that more labels settle. When blurred borders and noise fill the queue; needs samples.",
    ),
    "expected_entropy": Option(
        "Expected entropy", "Doubt on which all samples agree. To find blurred or ambiguous images."
    ),
    "least_confidence": Option(
        "Least confidence", "Chance that the suggestion is wrong. To find the images with most wrong pixels."
    ),
    "margin": Option("Margin", "Two classes nearly tie. When a few classes are taken for each other."),
    "variance": Option(
        "Variance", "Samples differ in their probabilities. Like mutual information, milder on rare outliers."
    ),
    "vote_entropy": Option(
        "Vote entropy",
        "Samples differ in their class. To find the images with most wrong pixels; needs ten samples.",
    ),
}

AGGREGATION = {
    "mean": Option("Mean", "All pixels count. The default: finds the images with most wrong pixels."),
    "top_share": Option("Top share", "Only the most unsure pixels count. When small parts are what matters."),
    "quantile": Option("Quantile", "One high value of the image. Like top share, calmer about wild pixels."),
    "patch_max": Option("Patch maximum", "The most unsure patch. When objects are small."),
    "class_balanced": Option("Class-balanced", "Each class in the image counts the same. For rare classes."),
    "boundary_excluded": Option(
        "Without boundaries", "Pixels at class borders do not count. When long outlines fill the queue."
    ),
}

BATCH_CHOICE = {
    "clasp_pe": Option(
        "ClaSP PE",
        "High scores, spread over classes, noisy at first. The default; for rare classes and kinds of image.",
    ),
    "top": Option("Highest score", "Score alone. When one image is labelled at a time: batches look alike."),
    "power": Option("Power sampling", "Drawn at random, high scores likelier. For batches of dozens."),
    "softmax": Option(
        "Softmax sampling",
        "As power sampling, gentler. When scores lie close together.",
    ),
    "rank_sampling": Option(
        "Rank sampling", "As power sampling, by rank. When a few outliers have by far the highest scores."
    ),
    "k_centre": Option(
        "K-centre", "Covers the pool, ignores scores. When these very images shall be segmented."
    ),
    "score_diversity": Option(
        "Score and diversity",
        "High scores unlike each other. As k-centre, and for other images too; with class-balanced scores.",
    ),
    "badge": Option(
        "BADGE-like", "Images that would change the model in different ways. For batches of dozens."
    ),
    "typiclust": Option("TypiClust", "The most typical image of each cluster. For the very first labels."),
    "probcover": Option("ProbCover", "Dense regions first. For the first labels, when groups are distinct."),
    "improved_random": Option(
        "Improved random", "Random, rare classes likelier, spread over each group. The rival to beat."
    ),
    "random": Option("Random", "Any image. To measure what choosing gains."),
}

OPTIONS = {"pixel_score": PIXEL_SCORE, "aggregation": AGGREGATION, "batch_choice": BATCH_CHOICE}
"""The options of each settings field that has such lines."""
