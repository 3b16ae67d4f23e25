"""labelme's own paint path, run by the Python it is installed in: ``peer_labelme.py IMAGE REPETITIONS``.

Opens the image in labelme's window without a screen and adds a polygon of 500 vertices; prints JSON with the
milliseconds of each opening and of each polygon until the window is painted.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from labelme import __version__
from labelme._shape import Shape
from labelme.app import MainWindow
from PyQt5 import QtCore, QtWidgets

VERTICES = 500


def polygon(width: int, height: int) -> Shape:
    """Return a star of 500 vertices over most of the image."""
    shape = Shape(label="a", shape_type="polygon")
    for number in range(VERTICES):
        angle = 2 * math.pi * number / VERTICES
        reach = 0.45 if number % 2 else 0.38
        shape.add_point(
            QtCore.QPointF(width * (0.5 + reach * math.cos(angle)), height * (0.5 + reach * math.sin(angle)))
        )
    shape.close()
    return shape


def main(path: str, repetitions: int) -> None:
    application = QtWidgets.QApplication([])
    window = MainWindow(config_overrides={"auto_save": False})
    window.resize(1500, 900)
    window.show()
    application.processEvents()
    opened, added = [], []
    for _ in range(repetitions + 1):
        began = time.perf_counter()
        window._load_file(path)
        canvas = window._canvas_widgets.canvas
        canvas.repaint()
        opened.append(1000 * (time.perf_counter() - began))
        application.processEvents()
        shape = polygon(canvas.pixmap.width(), canvas.pixmap.height())
        began = time.perf_counter()
        canvas.load_shapes([shape], replace=False)
        canvas.repaint()
        added.append(1000 * (time.perf_counter() - began))
        application.processEvents()
    print(json.dumps({"version": __version__, "open_ms": opened[1:], "polygon_ms": added[1:]}))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
