"""Form fields drawn from a pydantic settings model: one widget a field, its description as the help."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.choice_options import OPTIONS, Option

OPTION_NAMES = {
    "np": "neural process, latent per image",
    "np_classifier": "neural process, latent classifier",
}
"""What an option is called where its own word would not do."""


def follow(key: str, stored: object) -> None:
    """Let a keyed widget follow the stored value until the person enters another one.

    A widget keeps its first value for as long as it is drawn, so without this a form would save what it
    once showed over what somebody else has stored meanwhile. Call it before the widget is drawn; what
    that returns was entered by the person where it differs from ``stored``.
    """
    followed = st.session_state.get(_followed(key), stored)
    held = st.session_state.get(key, stored)
    # Only where it changed: a value set here takes the place of one that is being typed.
    if held == followed != stored:
        st.session_state[key] = held = stored
    st.session_state[_followed(key)] = stored
    st.session_state[_overtaken(key)] = held != stored and (
        followed != stored or st.session_state.get(_overtaken(key), False)
    )


def fields(
    settings: BaseModel,
    names: Sequence[str],
    *,
    key: str,
    scope: object,
    own_scopes: Mapping[str, object] = MappingProxyType({}),
    columns: int = 4,
    suggestions: Mapping[str, Sequence[str]] | None = None,
    persist_state: Literal["session"] | None = None,
) -> dict[str, Any]:
    """Draw one widget for each named field, in rows of ``columns``, and return what the person changed.

    Args:
        settings: The values as they are stored now.
        names: Fields to draw, in this order.
        key: Prefix of the widgets' keys.
        scope: What the settings belong to, such as a project's id; the widget of field ``steps`` has the key
            ``<key>-steps-<scope>``, so that one project's values never show up in another's form.
        own_scopes: By name, the scope of a field that has another one.
        columns: Widgets side by side.
        suggestions: Known values of text fields; others can still be typed.
        persist_state: Streamlit's: whether a look at another page leaves what was entered.

    Returns:
        The new values by field. Fields that still hold what is stored are left out, so that saving the form
        leaves them to whoever changes them meanwhile.
    """
    values: dict[str, Any] = {}
    for start in range(0, len(names), columns):
        row = names[start : start + columns]
        for name, column in zip(row, st.columns(columns)[: len(row)], strict=True):
            with column:
                widget_key = _widget_key(key, name, own_scopes.get(name, scope))
                stored = getattr(settings, name)
                follow(widget_key, stored)
                value = _widget(
                    name,
                    type(settings).model_fields[name],
                    stored,
                    key=widget_key,
                    known=(suggestions or {}).get(name, ()),
                    persist_state=persist_state,
                )
                if value != stored:
                    values[name] = value
    return values


def entered(
    settings: BaseModel,
    *,
    key: str,
    scope: object,
    own_scopes: Mapping[str, object] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return what :func:`fields` will, before it draws the widgets that were drawn in the run before."""
    values: dict[str, Any] = {}
    for name in type(settings).model_fields:
        widget_key = _widget_key(key, name, own_scopes.get(name, scope))
        stored = getattr(settings, name)
        value = st.session_state.get(widget_key, stored)
        if value not in (stored, st.session_state.get(_followed(widget_key), stored)):
            values[name] = value
    return values


def overtaken(
    names: Iterable[str],
    *,
    key: str,
    scope: object,
    own_scopes: Mapping[str, object] = MappingProxyType({}),
) -> list[str]:
    """Return those of the drawn fields that another value was stored of since theirs was entered."""
    return [
        name
        for name in names
        if st.session_state.get(_overtaken(_widget_key(key, name, own_scopes.get(name, scope))), False)
    ]


def discard(settings: BaseModel, *, key: str, scope: object) -> None:
    """Let the fields hold what is stored again, before they are drawn."""
    for name in type(settings).model_fields:
        widget_key = _widget_key(key, name, scope)
        if widget_key in st.session_state:
            # Not forgotten: the browser would go on showing what was entered.
            st.session_state[widget_key] = getattr(settings, name)


def saved(
    values: Mapping[str, Any],
    *,
    key: str,
    scope: object,
    own_scopes: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Note that what :func:`fields` returned is stored, where its widgets are not drawn again at once.

    From then on they follow what is stored, instead of sending the same values again with the next change.
    """
    for name, value in values.items():
        st.session_state[_followed(_widget_key(key, name, own_scopes.get(name, scope)))] = value


def forget(names: Iterable[str], *, key: str, scope: object) -> None:
    """Forget what was entered into fields that are not drawn, as if they never had been."""
    for name in names:
        st.session_state.pop(_widget_key(key, name, scope), None)


def title_of_field(name: str, field: FieldInfo) -> str:
    """Return what a field is called on the screen."""
    return field.title or name.replace("_", " ").capitalize()


def _widget_key(key: str, name: str, scope: object) -> str:
    return f"{key}-{name.replace('_', '-')}-{scope}"


def _followed(widget_key: str) -> str:
    """Return the key of the stored value that a widget has last followed."""
    return f"{widget_key}-followed"


def _overtaken(widget_key: str) -> str:
    """Return the key of whether another value was stored since a widget's own was entered."""
    return f"{widget_key}-overtaken"


def _widget(
    name: str,
    field: FieldInfo,
    value: Any,
    *,
    key: str,
    known: Sequence[str],
    persist_state: Literal["session"] | None,
) -> Any:
    label = title_of_field(name, field)
    description = field.description
    if isinstance(value, bool):
        return st.toggle(label, value, key=key, help=description, persist_state=persist_state)
    if name in OPTIONS:
        return _explained(label, OPTIONS[name], value, key, description, persist_state)
    if get_origin(field.annotation) is Literal:
        options = get_args(field.annotation)
        return st.selectbox(
            label,
            options,
            index=options.index(value),
            format_func=lambda option: OPTION_NAMES.get(option, str(option).replace("_", " ")),
            key=key,
            help=description,
            persist_state=persist_state,
        )
    # Without bounds: a value outside them would stay in the browser, and saving would pass over it.
    number = partial(st.number_input, label, key=key, help=description, persist_state=persist_state)
    if isinstance(value, int):
        return number(value=value, step=1)
    if isinstance(value, float):
        return number(value=value, step=_step(value), format="%g")
    if known:
        return st.selectbox(
            label,
            tuple(dict.fromkeys([value, *known])),
            index=0,
            accept_new_options=True,
            key=key,
            help=description,
            persist_state=persist_state,
        )
    return st.text_input(label, value, key=key, help=description, persist_state=persist_state)


def _explained(
    label: str,
    options: Mapping[str, Option],
    value: str,
    key: str,
    description: str | None,
    persist_state: Literal["session"] | None,
) -> Any:
    """Draw a choice whose options each have a line on when to use them: that of the chosen one below it."""
    lines = "\n".join(f"- **{option.name}**: {option.when}" for option in options.values())
    names = list(options)
    chosen = st.selectbox(
        label,
        names,
        index=names.index(value),
        format_func=lambda name: options[name].name,
        key=key,
        help=f"{description}\n\n{lines}",
        persist_state=persist_state,
    )
    st.caption(options[chosen].when)
    return chosen


def _step(value: float) -> float:
    """Return a tenth of the value's power of ten, so that an arrow click changes it visibly."""
    return float(f"1e{int(f'{value:e}'.split('e')[1]) - 1}") if value else 0.01
