"""A page with streamlit-drawable-canvas: an image, brush strokes and a button for the next image.

``streamlit run benchmarks/peer_drawable_canvas.py -- FOLDER WIDTH HEIGHT``. Each run appends the time and how
many strokes Python has to ``strokes.log`` in the folder.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import streamlit as st
from streamlit_drawable_canvas import st_canvas

st.set_page_config(layout="wide")
folder = Path(sys.argv[1])
width, height = int(sys.argv[2]), int(sys.argv[3])
files = sorted(folder.glob("*.jpg"))
number = st.session_state.setdefault("number", 0)


def go_on() -> None:
    st.session_state["number"] += 1


st.button("Next", on_click=go_on)
result = st_canvas(
    stroke_width=24,
    stroke_color="rgba(230, 30, 80, 0.6)",
    background_image=files[number % len(files)],
    width=width,
    height=height,
    drawing_mode="freedraw",
    return_image_data=True,
    key="canvas",
)
label = result.image_data
if result.json_data is not None:
    with (folder / "strokes.log").open("a", encoding="utf-8") as log:
        log.write(f"{time.time()} {len(result.json_data['objects'])}\n")
