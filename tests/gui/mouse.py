"""What an operator does with the mouse."""

from monitor.gui.views.map.view import MapView


def zoom(view: MapView, low: float, high: float) -> None:
    """Shows the square from `low` to `high` along both axes, as the wheel does: a map of which the
    operator chose a part is not shown whole again when the window is laid out anew."""
    box = view.plot.vb
    view.plot.setRange(xRange=(low, high), yRange=(low, high), padding=0)
    box.sigRangeChangedManually.emit(box.state["mouseEnabled"])
