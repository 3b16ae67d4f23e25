"""The Training page: what the worker does now, how good the model is, and how the next round is trained.

Hooks for end-to-end tests, each as the class ``st-key-<hook>``: ``round-state`` (the card), ``train-now``,
``rank-again``, ``cancel-round``, ``no-worker``, ``loss-chart``, ``quality-chart``, ``rounds-chart``,
``round-history``, ``round-<field>-<project id>`` (settings, for example ``round-steps-1``; with
``-<preset>`` behind while one is chosen that fills it in), ``start-<field>-<project id>``,
``round-preset-<project id>``, ``save-training``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any, get_args

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import charts, session, settings_form
from app.kept_press import kept_press
from app.notices import empty_state, errors_as_sentences, html_badge, plain
from app.round_gain import gain_text, gains
from app.round_history import history_table, reason_to
from app.round_progress import round_progress
from app.training_state import TrainingState, newest_of, training_state
from app.unsaved_settings import (
    discard_unsaved,
    preset_key,
    save_settings,
    scopes_with,
    unsaved_settings,
    were_saved,
)
from storage import activity, images, projects, round_requests, rounds, workers
from storage.errors import QualmError, RoundRefused
from storage.projects import ProjectInfo
from storage.rounds import RoundInfo
from storage.schema import COLD_START, LIVE_ROUND_STATES
from storage.settings import PRESET_FIELDS, Preset, RoundSettings, with_preset
from storage.workspace import Workspace

ENCODERS = (
    "tf_efficientnet_lite0",
    "mobilenet_v2",
    "mobilenetv3_large_100",
    "resnet18",
    "resnet50",
    "vit_small_patch14_dinov2",
    "vit_base_patch14_dinov2",
    "vit_large_patch14_dinov2",
    "vit_small_patch16_dinov3",
    "vit_base_patch16_dinov3",
    "vit_large_patch16_dinov3",
)
DECODERS = ("FPN", "DeepLabV3Plus", "Unet", "UPerNet", "Segformer", "DPT")
PRESET_NAMES = {
    "cpu": "CPU: EfficientNet-Lite0 with FPN",
    "gpu": "GPU: ResNet-50 with DeepLabV3+",
    "best": "Best, on a GPU: DINOv2-S with DPT",
}
MAIN_FIELDS = ("recipe", "head", "encoder", "decoder", "steps", "long_side", "crop", "batch_size")
CHOICE_FIELDS = ("pixel_score", "aggregation", "batch_choice")
CHOICE_NUMBERS = ("choice_batch", "near_duplicate", "uncertain_from", "samples_predict", "most_scored")
START_FIELDS = ("automatic", "first_labels", "min_changed", "min_classes", "quiet_seconds", "further_rounds")
_MUCH_LARGER = 2.0
"""Images so many times as long as what the model sees of them lose things that a person labels."""
REFUSED = "round-refused"
"""Session state: why a round could not be started in the last run, to be said in this one."""
CURVES_EVERY_S = 10.0
"""Drawing them keeps a processor busy, half a second on a slow one, that the Label page beside may need."""


def worker_line(state: TrainingState, workspace: Workspace) -> None:
    """Say which worker is there, or what to do when none is."""
    if state.workers:
        named = ", ".join(
            f"{worker.name} is starting" if worker.is_starting else f"{worker.name} on {worker.device}"
            for worker in state.workers
        )
        st.caption(f"Worker: {named}")
        return
    log = workspace.path / "logs" / "worker.log"
    # One that was started by hand writes to its terminal.
    why = f" If one stopped by itself, `{log}` says why." if log.exists() else ""
    st.warning(
        "No worker is running, so no round can train. `python3 run_app.py serve` starts one with the "
        f"server; beside a running server: `python3 run_app.py worker --workspace {workspace.path}`.{why}",
        icon=":material/power_off:",
    )


def title_of(info: RoundInfo) -> str:
    """Return what a round is called on the screen."""
    return "Cold start" if info.number == COLD_START else f"Round {info.number}"


def card_head(newest: RoundInfo | None) -> DeltaGenerator:
    """Draw the first line of the card and return the place at its right, for its buttons."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        if newest is None:
            line = "<strong>No round yet</strong>"
        else:
            line = (
                f"<strong>{escape(title_of(newest))}</strong>{html_badge(newest.state, newest.state)}"
                f'<span class="q-muted">{escape(reason_to(session.annotator(), newest))}</span>'
            )
        st.html(f'<div class="q-line">{line}</div>', width="stretch")
        return st.container(width="content", horizontal=True)


def train_now(place: DeltaGenerator, workspace: Workspace, project: ProjectInfo, *, disabled: bool) -> None:
    """Draw the button that saves the settings below and starts a round, and do both when it was pressed."""
    if place.button(
        "Train now", key="train-now", type="primary", icon=":material/play_arrow:", disabled=disabled
    ):
        reason = f"Started by {session.annotator()}"
        with_saved_settings(workspace, project.id, round_requests.request_round, reason)


def rank_again(place: DeltaGenerator, workspace: Workspace, project: ProjectInfo) -> None:
    """Draw the button that saves the settings below and ranks the pool by them, and do both when pressed."""
    if place.button(
        "Rank again",
        key="rank-again",
        icon=":material/sort:",
        help="Without training: the newest model looks at the pool again, so that changed settings of which "
        "images come next count at once, and new images get their place and a suggestion.",
    ):
        reason = f"Ranks again, started by {session.annotator()}"
        with_saved_settings(workspace, project.id, round_requests.request_ranking, reason)


def with_saved_settings(
    workspace: Workspace,
    project_id: int,
    request: Callable[[Workspace, int, str, str], RoundInfo],
    reason: str,
) -> None:
    """Save what the form shows, for that is what a person expects to count, and ask for a round."""
    annotator = session.annotator()
    refusals: list[str] = []

    def ask() -> None:
        try:
            request(workspace, project_id, annotator, reason)
        except QualmError as refused:
            # The form below has to learn that it was saved all the same.
            refusals.append(str(refused))

    with errors_as_sentences():
        save_settings(workspace, project_id, ask)
        if refusals:
            st.session_state[REFUSED] = refusals[0]
        st.rerun()


def cancel(place: DeltaGenerator, workspace: Workspace, live: RoundInfo) -> None:
    """Draw the button that ends the round under way."""
    # One that nobody works on ends at once.
    awaited = live.cancel_requested and not live.waits_for_worker
    with place.container(key="cancel-round", width="content"):
        st.button(
            "Cancelling" if awaited else "Cancel",
            # Until the press is heard this round may have ended and the next one have begun.
            key=f"cancel-round-{live.id}",
            icon=":material/stop_circle:",
            disabled=awaited,
            on_click=end_round,
            args=(workspace, live.id, session.annotator()),
        )


def end_round(workspace: Workspace, round_id: int, annotator: str) -> None:
    """Ask for the end of a round; one that is over already needs no word, for the page shows how it ended."""
    try:
        with contextlib.suppress(RoundRefused):
            rounds.request_cancel(workspace, round_id, annotator)
    except QualmError as error:
        # Drawn here, before the page is, it would take the place of what stands first there.
        st.session_state[REFUSED] = str(error)


def outcome(newest: RoundInfo, *, ordered: bool) -> None:
    """Say what went wrong in a round, or what it has to say; ``ordered`` when there is a current order."""
    if newest.state == "failed":
        consequence = (
            "The order before it still stands."
            if ordered
            else "Images come in random order until a round ranks them."
        )
        if newest.number != COLD_START:
            consequence += " Change the settings below if they are the cause, then press Train now."
        st.error(
            f"{title_of(newest)} failed: {plain(newest.error or 'no reason was reported.')} {consequence}",
            icon=":material/error:",
        )
    elif newest.note:
        st.info(plain(newest.note), icon=":material/info:")


def state_card(workspace: Workspace, project: ProjectInfo, seen: tuple[int, str] | None) -> None:
    """Draw the card about the round under way, or about what came last and what comes next.

    Its bar follows the worker by itself and runs this again once anything beside the bar changed.
    ``seen`` is the newest round and its state when the whole page was drawn: once they differ, the
    charts and the history below are out of date and the whole page is drawn again.
    """
    with errors_as_sentences():
        state = training_state(workspace, project)
        newest = state.newest
        live = newest is not None and newest.state in LIVE_ROUND_STATES
        with st.container(border=True, key="round-state"):
            place = card_head(newest)
            if state.lacks_classes and not live:
                place.page_link("pages/project.py", label="Add a class", icon=":material/add:")
            elif state.may_train_now or not live:
                if state.may_rank_again:
                    rank_again(place, workspace, project)
                train_now(place, workspace, project, disabled=not state.may_train_now)
            if newest is not None and live:
                cancel(place, workspace, newest)
            round_progress(project.id, state)
            if refused := st.session_state.get(REFUSED):
                st.error(plain(refused), icon=":material/error:")
            if newest is not None:
                outcome(newest, ordered=project.current_round_id is not None)
        with st.container(key="worker" if state.workers else "no-worker"):
            worker_line(state, workspace)
        # After the buttons: one that was pressed while the state changed is heard all the same.
        if mark_of(newest) != seen:
            st.rerun(scope="app")
        # Not before: drawn by this run alone, it would be gone with the next.
        st.session_state.pop(REFUSED, None)


def mark_of(newest: RoundInfo | None) -> tuple[int, str] | None:
    """Return what must stay the same for the rest of the page to be up to date."""
    return None if newest is None else (newest.id, newest.state)


def round_charts(workspace: Workspace, project: ProjectInfo, shown: RoundInfo) -> None:
    """Draw the curves of one round; runs again every :data:`CURVES_EVERY_S` while it is live."""
    with errors_as_sentences():
        points = rounds.curve(workspace, shown.id)
        steps = shown.config.steps
        # Behind a fresh start that was worse stand the steps from the weights of the round before.
        begun_again = steps if max((step for step, *_ in points), default=0) > steps else None
        steps = 2 * steps if begun_again else steps
        weights = {
            "kl": shown.config.kl_weight,
            "unlabelled": shown.config.unlabelled_weight,
            "contrast": shown.config.contrast_weight,
        }
        classes = projects.classes(workspace, project.id)
        left, right = st.columns(2)
        with left, st.container(border=True, height="stretch"):
            st.markdown(f"**Loss of round {shown.number}**")
            if any(name == charts.LOSS for _, name, _ in points):
                st.plotly_chart(
                    charts.loss_figure(points, steps, weights, begun_again), key="loss-chart", **PLOT
                )
            else:
                st.caption(
                    "The curve begins with the first training step."
                    if shown.state in LIVE_ROUND_STATES
                    else "It ended before its first measured step, so there is no curve."
                )
        with right, st.container(border=True, height="stretch"):
            st.markdown(f"**Audit quality in round {shown.number}**")
            if any(name == charts.AUDIT_MIOU for _, name, _ in points):
                st.plotly_chart(
                    charts.quality_in_round_figure(points, classes, steps, begun_again),
                    key="quality-chart",
                    **PLOT,
                )
            else:
                is_audited = images.any_labelled(workspace, project.id, "audit")
                st.caption(
                    "Measured on audit images: drawn at random, labelled without a suggestion, never trained "
                    "on. "
                    + (
                        "The first measurement of this round begins the curve."
                        if is_audited and shown.state in LIVE_ROUND_STATES
                        else "This round ended without a measurement."
                        if is_audited
                        else "The queue slips them in; submit the first one to see a curve."
                    )
                )


PLOT: dict[str, Any] = {"theme": None, "config": {"displayModeBar": False}}


def size_advice(usual: int | None, long_side: int) -> str:
    """Return what the model cannot see of images of this long side; empty where it sees nearly all."""
    if usual is None or long_side < 1 or usual < _MUCH_LARGER * long_side:
        return ""
    times = f"{usual / long_side:.2g}"
    return (
        f"Images here have a long side of about {usual:,} pixels. At {long_side:,} the model sees one pixel "
        f"for {times} × {times} of theirs, and what is narrower is blurred away. For smaller things raise "
        "the long side, and the crop as much: twice the size shows things half as wide, and takes about four "
        "times as long."
    )


def crop_advice(crop: int, long_side: int) -> str:
    """Return what a crop that is larger than the images is worth; empty for one that is not."""
    if crop <= long_side:
        return ""
    return (
        f"A crop of {crop:,} is larger than the images, which are {long_side:,} pixels long for the model. "
        "What lies beyond their edge teaches nothing and takes time and memory."
    )


def settings_section(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw the settings of the next round and of its automatic start; nothing counts before it is saved."""
    # The fragment runs again without the page: somebody else may have saved since that drew it.
    settings = projects.get_project(workspace, project.id).settings
    key_of_preset = preset_key(project.id)
    if were_saved(project.id):
        # Left chosen, it would fill in again what was changed before saving.
        st.session_state[key_of_preset] = None
        # So would what was entered before one was chosen, which then stood in the place of these.
        settings_form.forget(PRESET_FIELDS, key="round", scope=project.id)
        st.toast("Saved. Rounds that start from now on use these settings.", icon=":material/check:")
    discarding = kept_press("discard-training", project.id)
    if discarding.waits:
        with discarding.heard():
            discard_unsaved(settings, project.id)
    names_above = st.empty()
    preset = st.selectbox(
        "Preset",
        get_args(Preset),
        index=None,
        placeholder="As saved",
        format_func=PRESET_NAMES.__getitem__,
        key=key_of_preset,
        persist_state="session",
        help="Fills in network, sizes and schedule below; Save settings keeps them. Where pretrained weights "
        "can neither be found nor downloaded, the round says so and starts from random values.",
    )
    shown = with_preset(settings.round, preset) if preset else settings.round
    if shown.encoder == RoundSettings().encoder and any(
        worker.device.startswith("cuda") for worker in workers.live_workers(workspace, project.id)
    ):
        st.caption(
            f"A worker with a GPU is there, and these settings are made for a CPU. *{PRESET_NAMES['gpu']}* "
            "trains a larger network on larger images, for more steps."
        )
    if preset in ("gpu", "best") and not any(
        worker.device.startswith(("cuda", "mps")) for worker in workers.live_workers(workspace, project.id)
    ):
        st.caption("No worker with a GPU is there. On a processor such a round takes many times as long.")
    own_scopes = scopes_with(preset, project.id)
    form = partial(
        settings_form.fields,
        shown,
        key="round",
        scope=project.id,
        own_scopes=own_scopes,
        persist_state="session",
    )
    # No form: it would keep the line below a choice from following it.
    with st.container(border=True, key="training-settings"):
        st.markdown("**Model and training**")
        values = form(MAIN_FIELDS, suggestions={"encoder": ENCODERS, "decoder": DECODERS})
        long_side = values.get("long_side", shown.long_side)
        for advice in (
            size_advice(images.usual_long_side(workspace, project.id), long_side),
            crop_advice(values.get("crop", shown.crop), long_side),
        ):
            if advice:
                st.caption(advice)
        st.markdown("**Which images come next**")
        form(CHOICE_FIELDS, columns=3)
        form(CHOICE_NUMBERS)
        st.markdown("**When a round starts by itself**")
        settings_form.fields(
            settings.start, START_FIELDS, key="start", scope=project.id, persist_state="session"
        )
        with st.expander("Everything else"):
            drawn = MAIN_FIELDS + CHOICE_FIELDS + CHOICE_NUMBERS
            others = [name for name in type(shown).model_fields if name not in drawn]
            form(others)
        unsaved = unsaved_settings(workspace, project.id)
        with st.container(horizontal=True, vertical_alignment="center"):
            press = kept_press("save-training", project.id)
            st.button("Save settings", key="save-training", type="primary", on_click=press.note)
            if unsaved.names:
                st.button("Discard", key="discard-training", on_click=discarding.note)
            names_beside = st.empty()
        if press.waits:
            with errors_as_sentences():
                with press.heard():
                    save_settings(workspace, project.id)
                st.rerun()
        if unsaved.names:
            # Above as well: they may have been entered long ago, before another page was looked at.
            told = f"Not saved yet: {', '.join(unsaved.names)}. Train now and Rank again save them, too."
            if unsaved.overtaken:
                told += (
                    f" Somebody else has saved another value meanwhile of: {', '.join(unsaved.overtaken)}. "
                    "*Discard* shows it; saving replaces it."
                )
            for place in (names_above, names_beside):
                place.caption(told)


def show() -> None:
    """Draw the page for the current project."""
    workspace, project_id = session.require_project()
    project = projects.get_project(workspace, project_id)
    past = rounds.history(workspace, project_id)
    newest = newest_of(past)

    st.fragment(state_card)(workspace, project, mark_of(newest))

    trained = newest_of([info for info in past if info.number != COLD_START and info.kind != "ranks"])
    if trained is None:
        empty_state(
            "No curves yet",
            "Submit a few label maps on the **Label** page. A round then trains by itself, or when you press "
            "**Train now**; its loss and its audit quality are drawn here.",
        )
    else:
        grows = trained.state in LIVE_ROUND_STATES
        st.fragment(round_charts, run_every=CURVES_EVERY_S if grows else None)(workspace, project, trained)
        measured = charts.measured_rounds(past)
        left, right = st.columns([2, 3])
        with left, st.container(border=True, height="stretch"):
            st.markdown("**Audit quality over rounds**")
            if measured:
                st.plotly_chart(
                    charts.quality_by_round_figure(measured, projects.classes(workspace, project_id)),
                    key="rounds-chart",
                    **PLOT,
                )
            else:
                st.caption("The first finished round with audit labels begins this curve.")
        with right, st.container(border=True, height="stretch"):
            st.markdown("**Rounds**")
            history_table(past, session.annotator())
            with errors_as_sentences():
                if text := gain_text(gains(past, activity.labelled_by_hand(workspace, project_id))):
                    st.caption(plain(text))

    st.subheader("Settings of the next round")
    st.fragment(settings_section)(workspace, project)


show()
