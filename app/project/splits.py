"""How many images of a project are in which split."""

from __future__ import annotations

import streamlit as st

from storage import images, queue
from storage.projects import ProjectInfo
from storage.wording import count_of
from storage.workspace import Workspace

SPLIT_COLOURS = {"pool": "#8a91a5", "train": "#2e9e6b", "audit": "#9063d8", "excluded": "#c9ced9"}
SPLIT_MEANINGS = {
    "pool": "not labelled yet; trains without labels",
    "train": "labelled; trains the model",
    "audit": "drawn at random, to be labelled blind, never trained on",
    "excluded": "left out of everything",
}


def splits_section(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw how many images are in which split."""
    counts = images.split_counts(workspace, project.id)
    total = sum(counts.values())
    shown = {split: f"{count:,}" for split, count in counts.items()}
    labelled = queue.progress(workspace, project.id).audit_labelled
    if labelled < counts.get("audit", 0):
        shown["audit"] = f"{labelled:,} of {shown['audit']}"
    with st.container(border=True, key="split-counts"):
        if not total:
            st.markdown(
                "**No images yet.** Import a folder or a zip below; then label them on the Label page."
            )
            return
        bar = "".join(
            f'<span style="flex:{counts[split]};background:{colour}" title="{split}: {counts[split]}"></span>'
            for split, colour in SPLIT_COLOURS.items()
            if counts.get(split)
        )
        legend = "".join(
            f'<span class="q-chip" title="{SPLIT_MEANINGS[split]}"><i style="background:{colour}"></i>'
            f"{split} <strong>{shown.get(split, '0')}</strong></span>"
            for split, colour in SPLIT_COLOURS.items()
        )
        st.html(
            f'<div class="q-line"><strong>{count_of(total, "image")}</strong></div>'
            f'<div class="q-split-bar">{bar}</div><div class="q-chips">{legend}</div>'
        )
