"""Everything fits, whatever the screen and the size of its text; windows change their look."""

from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QScrollArea

from monitor.gui.main_window import Window
from monitor.gui.panels.guide import GuidePanel
from monitor.gui.state.client import Client
from monitor.gui.widgets import theme


def sizes(window):
    return {name: dock.size().toTuple() for name, dock in window.layouts.docks.items()}


def test_larger_text_makes_the_window_no_larger_and_smaller_text_undoes_it(bench, screen, qtbot):
    window = screen(bench().publisher)
    qtbot.waitUntil(lambda: window.turns.idle)
    before = sizes(window)
    for _ in range(3):
        window.look.scale_text(1)
        assert window.size().toTuple() == (1280, 800)
    for dock in window.layouts.docks.values():
        assert isinstance(dock.widget(), QScrollArea), "what has no room can be scrolled to"
    for _ in range(3):
        window.look.scale_text(-1)
    qtbot.waitUntil(lambda: sizes(window) == before)


def test_the_window_opens_no_larger_than_the_screen(bench, qtbot):
    client = Client(bench().publisher.pull_address, None)
    window = Window(client)
    qtbot.addWidget(window)
    room = window.screen().availableSize()
    assert window.width() <= room.width()
    assert window.height() <= room.height()
    client.close()


def test_a_look_dresses_windows_and_not_the_menus_of_plots(bench, screen, qapp):
    window = screen(bench().publisher)
    window.look.toggle_shade()
    assert qapp.styleSheet() == ""
    assert window.styleSheet() == theme.style()
    theme.apply(qapp)
    assert window.styleSheet() == theme.style()


def test_links_of_the_guide_are_legible_in_both_looks(qtbot, qapp):
    for shade in theme.SHADES:
        theme.apply(qapp, shade)
        guide = GuidePanel()
        qtbot.addWidget(guide)
        guide.open_contents()
        colours = qapp.palette()
        assert contrast(colours.link().color(), colours.color(QPalette.ColorRole.Base)) > 4.5
        assert theme.palette().accent in guide.page.toHtml()
    theme.apply(qapp)


def contrast(one: QColor, other: QColor) -> float:
    """Ratio of the relative luminances (WCAG 2.1): 1 to 21."""

    def light(colour):
        parts = (colour.redF(), colour.greenF(), colour.blueF())
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)
