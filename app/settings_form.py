"""Form fields drawn from a pydantic settings model: one widget a field, its description as the help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin

import streamlit as st
from annotated_types import Ge, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.choice_options import OPTIONS, Option

OPTION_NAMES = {
    "np": "neural process, latent per image",
    "np_classifier": "neural process, latent classifier",
}
"""What an option is called where its own word would not do."""

Settings = TypeVar("Settings", bound=BaseModel)


def changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Return ``settings`` with some values replaced.

    Raises:
        pydantic.ValidationError: when a value does not fit.
    """
    return type(settings).model_validate({**settings.model_dump(), **values})


def fields(
    settings: BaseModel,
    names: Sequence[str],
    *,
    key: str,
    scope: object,
    columns: int = 4,
    suggestions: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Draw one widget for each named field, in rows of ``columns``, and return what they hold.

    Args:
        settings: The values now.
        names: Fields to draw, in this order.
        key: Prefix of the widgets' keys.
        scope: What the settings belong to, such as a project's id; the widget of field ``steps`` has the key
            ``<key>-steps-<scope>``, so that one project's values never show up in another's form.
        columns: Widgets side by side.
        suggestions: Known values of text fields; others can still be typed.
    """
    values: dict[str, Any] = {}
    for start in range(0, len(names), columns):
        row = names[start : start + columns]
        for name, column in zip(row, st.columns(columns)[: len(row)], strict=True):
            with column:
                values[name] = _widget(
                    name,
                    type(settings).model_fields[name],
                    getattr(settings, name),
                    key=f"{key}-{name.replace('_', '-')}-{scope}",
                    known=(suggestions or {}).get(name, ()),
                )
    return values


def _widget(name: str, field: FieldInfo, value: Any, *, key: str, known: Sequence[str]) -> Any:
    label = field.title or name.replace("_", " ").capitalize()
    description = field.description
    if isinstance(value, bool):
        return st.toggle(label, value, key=key, help=description)
    if name in OPTIONS:
        return _explained(label, OPTIONS[name], value, key=key, description=description)
    if get_origin(field.annotation) is Literal:
        options = get_args(field.annotation)
        return st.selectbox(
            label,
            options,
            index=options.index(value),
            format_func=lambda option: OPTION_NAMES.get(option, str(option).replace("_", " ")),
            key=key,
            help=description,
        )
    if isinstance(value, int):
        lowest = next((int(rule.ge) for rule in field.metadata if isinstance(rule, Ge)), None)  # type: ignore[call-overload]
        return st.number_input(label, value=value, min_value=lowest, step=1, key=key, help=description)
    if isinstance(value, float):
        lowest_float = next((float(rule.ge) for rule in field.metadata if isinstance(rule, Ge)), None)  # type: ignore[arg-type]
        highest = next((float(rule.le) for rule in field.metadata if isinstance(rule, Le)), None)  # type: ignore[arg-type]
        return st.number_input(
            label,
            value=value,
            min_value=lowest_float,
            max_value=highest,
            step=_step(value),
            format="%g",
            key=key,
            help=description,
        )
    if known:
        options = tuple(dict.fromkeys([value, *known]))
        return st.selectbox(label, options, index=0, accept_new_options=True, key=key, help=description)
    return st.text_input(label, value, key=key, help=description)


def _explained(
    label: str, options: Mapping[str, Option], value: str, *, key: str, description: str | None
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
    )
    st.caption(options[chosen].when)
    return chosen


def _step(value: float) -> float:
    """Return a tenth of the value's power of ten, so that an arrow click changes it visibly."""
    return float(f"1e{int(f'{value:e}'.split('e')[1]) - 1}") if value else 0.01
