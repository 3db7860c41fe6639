"""Whatever a name, a note, a reason or a unit holds, a screen shows it as it is: no tag in it is
read, no file is loaded, no character acts or hides."""

from __future__ import annotations

import ast
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import Qt as QtGui
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QComboBox,
    QGraphicsTextItem,
    QGraphicsView,
    QLabel,
    QLineEdit,
    QMenu,
    QProgressBar,
    QTableView,
    QWidget,
)

import monitor.gui
from monitor.gui.main_window import Window
from monitor.gui.panels.guide import GuidePage, GuidePanel
from monitor.gui.state.snapshot import Answer, Choice, Order, Snapshot
from monitor.gui.widgets import theme
from monitor.gui.widgets.plain_text import RichLabel
from monitor.plain_text import BLANK
from monitor.wire.results.queries import (
    CyclerRequest,
    PitHistoryRequest,
    PitsRequest,
    ProfileRequest,
    ScanOrder,
    SectionRequest,
    StatisticsRequest,
)
from tests.gui.made import T0, cell, map_answer, running, scan, snapshot

TAGS = '<img src="file:///etc/hostname"><a href="file:///etc/passwd">a</a><b>b</b>&amp;{x}'
ACTING = "\u202e\u2066\u2028\u2029\u200b\x1b[31m\x1b]0;t\x07\x9b\ufeff\u3164"
EVIL = TAGS + ACTING
SEEN = TAGS + "\\u202e"
ERROR = {"type": "error", "why": EVIL}


class Engine:
    """A client that has heard one thing."""

    address, status_address = "tcp://127.0.0.1:1", None

    def __init__(self, heard: Snapshot) -> None:
        self.heard = heard
        self.orders: list[object] = []

    def snapshot(self) -> Snapshot:
        return self.heard

    def query(self, queries: object) -> None: ...

    def order(self, order: object) -> None:
        self.orders.append(order)


def events() -> list[dict[str, object]]:
    keys = (
        "text why by reason mode before setting address feed bad_kind decision status state "
        "verdict words"
    )
    texts = dict.fromkeys(keys.split(), EVIL)
    more = {"evidence": {"by": EVIL, "why": EVIL}, "changed": [EVIL], EVIL: EVIL}
    from monitor.gui.wording.events import SENTENCES

    return [
        {"type": kind, "version": version, "time": T0, "cell": EVIL, "scan": 1, **texts, **more}
        for version, kind in enumerate([*SENTENCES, "another", EVIL])
    ]


def hostile(unit: str, **answers: Answer) -> Snapshot:
    """All that an engine can tell, with such words wherever it tells any."""
    alarm = {"number": 7, "cell": EVIL, "text": EVIL, "time": T0, "ended": T0, "condition": EVIL}
    asked = {"id": EVIL, "status": EVIL, "reason": EVIL, "after_scan": 1, "by": EVIL, "words": EVIL,
             "why": EVIL, "scan": EVIL}  # fmt: skip
    row = dict.fromkeys(("current_density_mA_cm2", "charge_mAh", "charge_mAh_cm2", "coulometry_um",
                         "closure", "averaged_um", "averaged_error_um"), 1.0)  # fmt: skip
    about = cell(
        scan(0, length_unit=unit, step=EVIL),
        scan(1, length_unit=unit, reason=EVIL, step=EVIL, registered=True, charge_state="none"),
        alarms=[alarm, {**alarm, "number": 8}],
        requests=[asked, {**asked, "status": "suggested"}],
        running=running(2) | {"reason": EVIL},
        policy={"mode": "auto", "max_scans": 3, "extra_scans": 1, "refusal": EVIL},
        table=[row | {"discharge": EVIL, "charge_state": "none"}],
        unanswered=[{"id": EVIL, "received": False, "age_s": 3.0}],
        grain_boundaries=True,
        channels=[{"name": EVIL, "title": EVIL, "unit": EVIL, "points": 3, "value": 1.0}],
    )
    made = snapshot({EVIL: about, "A": cell(scan(0))}, answers, events=events(), mode="live")
    assert made.state is not None
    told = {"state": "LATE", "age_s": 3.0, "why": EVIL}
    state = dict(made.state) | {
        "experiment": {"name": EVIL, "mode": EVIL, "record_slices": True},
        "alarms": [alarm],
        "recorder": {"alarm": EVIL, "failing": True, "queued_bytes": 5},
        "security": {"refused_keys": 2, "refused_orders": 1,
                     "last_refused": [{"count": 1, "address": EVIL}]},
        "feeds": {name: {"messages": 9, "bad": {EVIL: 2}, "gaps": 3} for name in
                  ("slices", "documents")},
        "health": {"slices": told, "documents": told,
                   "cells": {EVIL: {**told, "cycler": told, "overdue_s": 5.0}}},
    }  # fmt: skip
    order = Order(EVIL, "refused", EVIL, 1, ScanOrder(EVIL))
    return Snapshot(
        number=1, linked=True, address=EVIL, state=state, answers=answers,
        events=made.events, orders=(order,),
    )  # fmt: skip


def answers(unit: str) -> dict[str, Answer]:
    """Replies to all views, with such units."""
    shape = np.ones((72, 96), np.float32)
    told = {"length_unit": unit, "shape": [72, 96], "window": [0, 72, 0, 96], "units": EVIL}
    shown = map_answer(EVIL, 1, "height", **told)
    header = dict(shown.header)
    whole = shape.astype(np.int32)
    labels = replace(map_answer(EVIL, 1, "pit_labels", whole, **told), rims=whole)
    names = ("depth_max", "diameter", "depth_mean", "x", "y")
    word = "um" if unit == "µm" else "voxel"
    pits = {f"{name}_{word}": [1.0] for name in names} | {
        f"area_{word}2": [1.0], f"volume_{word}3": [1.0], "id": [1], "parent": [-1],
        "first_scan": [1], "p_value": [0.0], "current_density_mA_cm2": [1.0],
    }  # fmt: skip
    numbers = {"count": 6, "counts": [1, 2, 3], "edges": [0.0, 1.0, 2.0, 3.0], "mean": 1.0,
               "share": 1.0, "pixels": 6, "area": 3.0}  # fmt: skip
    region = StatisticsRequest(EVIL, 1, "height", bins=16)
    line = ProfileRequest(EVIL, 1, "height", (0.0, 0.0), (5.0, 5.0))
    plane = Answer(SectionRequest(EVIL, 1, "y", 3), header | {"axis": "y"},
                   np.ones((60, 96), np.uint16), (0.0, 1.0))  # fmt: skip
    history = {"columns": {"scan": [0, 1], "time": [T0, T0 + 9], f"depth_max_{word}": [1.0, 2.0],
                           f"diameter_{word}": [1.0, 2.0]}, "length_unit": unit,
               "first_scan": EVIL, "children": [EVIL], "parent": 1}  # fmt: skip
    grains = {"attraction": None, "type": "error", "why": EVIL}
    along = np.linspace(0, 1, 5, dtype=np.float32)
    return {
        "map": shown, f"board {EVIL}": shown, "relief": map_answer(EVIL, 1, "removal", **told),
        "map_labels": labels, "relief_labels": labels, "section": plane,
        "map_pits": Answer(PitsRequest(EVIL, 1), {"scan": 1, "columns": pits}, None),
        "pits": Answer(PitsRequest(EVIL, 1), {"scan": 1, "columns": pits}, None),
        "distribution": Answer(region, header | numbers, None),
        "region": Answer(region, header | numbers | ERROR, None),
        "profile": Answer(line, header | {"length": 5.0}, along),
        "pit_history": Answer(PitHistoryRequest(EVIL, 1), history, None),
        "map_grains": Answer(shown.request, grains, None),
    }  # fmt: skip


def failed() -> dict[str, Answer]:
    """The same, each refused in such words."""
    return {name: Answer(answer.request, ERROR, None) for name, answer in answers("µm").items()} | {
        "cycler": Answer(CyclerRequest(EVIL, 5), ERROR, None)
    }


def assert_shown(text: str, where: str) -> None:
    for sign in text:
        hides = not sign.isprintable() and unicodedata.category(sign) != "Zs"
        assert (not hides and not BLANK.match(sign)) or sign == "\n", (where, text)


def assert_html(html: str, where: str) -> str:
    """Whatever tags there are, are our own; returns the text that is read."""
    document = QTextDocument()
    document.setHtml(html)
    assert_document(document, where)
    return document.toPlainText()


def assert_document(document: QTextDocument, where: str) -> None:
    block = document.begin()
    while block.isValid():
        part = block.begin()
        while not part.atEnd():
            form = part.fragment().charFormat()
            assert not form.isImageFormat() and not form.isAnchor(), (where, document.toHtml())
            part += 1
        block = block.next()
    text = document.toPlainText()
    assert_shown(text, where)
    assert TAGS[:12] not in text or "</b>" in text, (where, text)


def assert_tip(tip: str, where: str) -> str:
    if QtGui.mightBeRichText(tip):
        return assert_html(tip, where)
    assert_shown(tip, where)
    return tip


def texts_of(widget: QWidget) -> Iterator[str]:
    """Every text that a widget shows, each looked at as Qt would show it."""
    where = f"{type(widget).__name__} {widget.objectName()}"
    yield assert_tip(widget.toolTip(), where)
    if isinstance(widget, QLabel):
        form = widget.textFormat()
        assert form != Qt.TextFormat.AutoText, (where, widget.text())
        rich = form == Qt.TextFormat.RichText
        assert rich == isinstance(widget, RichLabel)
        yield assert_html(widget.text(), where) if rich else widget.text()
    if isinstance(widget, QAbstractButton):
        assert "&amp" not in widget.text(), where  # an & marks a key there
        yield widget.text()
    if isinstance(widget, QLineEdit):
        yield from (widget.text(), widget.placeholderText())
    if isinstance(widget, QProgressBar):
        yield widget.text()
    if isinstance(widget, QMenu):
        yield from (action.text() for action in widget.actions())
    if isinstance(widget, QComboBox):
        yield from (widget.itemText(i) for i in range(widget.count()))
        tips = (widget.itemData(i, Qt.ItemDataRole.ToolTipRole) for i in range(widget.count()))
        yield from (assert_tip(tip or "", where) for tip in tips)
    if isinstance(widget, QAbstractItemView) and widget.model() is not None:
        yield from _of_model(widget, where)
    if isinstance(widget, QGraphicsView) and widget.scene() is not None:
        for item in widget.scene().items():
            if isinstance(item, QGraphicsTextItem):
                assert_document(item.document(), f"{where} {item.toPlainText()}")
                yield item.toPlainText()
    for text in (widget.windowTitle(), widget.statusTip(), widget.accessibleName()):
        assert_shown(text, where)
        yield text


def _of_model(view: QAbstractItemView, where: str) -> Iterator[str]:
    model, across = view.model(), Qt.Orientation.Horizontal
    tip = Qt.ItemDataRole.ToolTipRole
    for column in range(model.columnCount() if isinstance(view, QTableView) else 1):
        yield str(model.headerData(column, across))
        yield assert_tip(str(model.headerData(column, across, tip) or ""), where)
        for row in range(model.rowCount()):
            index = model.index(row, column)
            yield str(index.data() or "")
            yield assert_tip(str(index.data(tip) or ""), where)


def shown_by(window: Window, choice: Choice) -> list[str]:
    """All texts of the window, once everything is drawn."""
    heard = window.client.snapshot()
    window.selection.choice, window.snapshot = choice, heard
    window.status.draw(heard, choice)
    window.notices.draw(heard)
    window.notices.add(EVIL, EVIL)
    if not window.notices.is_open:
        window.notices.toggle_details()
    for view in (*window.views.values(), window.board):
        view.draw(heard, choice)
    window.turns.finish()
    texts = [text for widget in window.findChildren(QWidget) for text in texts_of(widget)]
    return [*texts, window.windowTitle()]


@pytest.fixture
def window(qtbot, qapp):
    """make(snapshot) → a window that shows it."""
    theme.apply(qapp)

    def make(heard: Snapshot) -> Window:
        made = Window(Engine(heard), EVIL)  # type: ignore[arg-type]
        made._timer.stop()
        qtbot.addWidget(made)
        return made

    return make


CHOICE = Choice(
    cell=EVIL, pit=1, pinned=0, comparison="beside", grains=True, line=((0.0, 0.0), (5.0, 5.0))
)


@pytest.mark.parametrize("unit", ["µm", EVIL], ids=["known unit", "strange unit"])
def test_every_view_shows_words_as_they_are(window, unit: str) -> None:
    shown = shown_by(window(hostile(unit, **answers(unit))), CHOICE)
    for text in shown:
        assert_shown(text, "window")
    assert sum(SEEN in text for text in shown) > 60
    # where the words of a unit stand: axes and titles of plots
    assert any(f"x / {SEEN}" in text for text in shown) == (unit == EVIL)


def test_every_view_shows_a_refusal_as_it_is(window) -> None:
    shown = shown_by(window(hostile("µm", **failed())), CHOICE)
    for text in shown:
        assert_shown(text, "window")
    assert sum(SEEN in text for text in shown) > 60


def test_a_screen_without_an_answer_shows_the_address_as_it_is(window) -> None:
    shown = shown_by(window(Snapshot(number=1, address=EVIL)), Choice(cell=EVIL))
    assert sum(SEEN in text for text in shown) > 3


def test_the_cells_are_chosen_by_their_names(window, qtbot) -> None:
    made = window(hostile("µm"))
    made.views["cell"].draw(made.client.snapshot(), Choice(cell="A"))
    assert made.views["cell"].cells.currentText() == "A"
    with qtbot.waitSignal(made.views["cell"].cell_chosen) as chosen:
        made.views["cell"].cells.activated.emit(0)
    assert chosen.args == [EVIL]


@pytest.mark.parametrize(
    ("pasted", "sent"),
    [("one\ntwo", "one two"), ("a\u00a0b\u2028c", "a b c"), ("a\u202eb\u200bc\x1b", "abc")],
)
def test_what_is_typed_can_be_sent(window, pasted: str, sent: str) -> None:
    made = window(hostile("µm"))
    written: list[str] = []
    view = made.views["events"]
    view.draw(made.client.snapshot(), CHOICE)
    view.order_given.connect(lambda order: written.append(order.text))
    view.note.setText(pasted)
    view._write()
    assert written == [sent]


def test_the_table_of_pits_holds_no_formula(window) -> None:
    made = window(hostile("µm", **answers("µm")))
    view = made.views["pits"]
    view.draw(made.client.snapshot(), CHOICE)
    view.model._said = {**view.model._said, "p_value": ["=1+1"], "x_um": [-0.5]}
    row = view.csv().splitlines()[1].split(",")
    assert "'=1+1" in row and "-0.5" in row


def test_the_guide_shows_its_own_folder_only(qtbot, tmp_path: Path) -> None:
    guide, other = tmp_path / "docs" / "guide", tmp_path / "other"
    guide.mkdir(parents=True)
    other.mkdir()
    for folder in (guide, other, guide.parent):
        (folder / "page.md").write_text("# words")
        (folder / "picture.png").write_bytes(b"picture")
    (guide / "link.md").symlink_to(other / "page.md")
    page = GuidePage(guide.parent)
    qtbot.addWidget(page)
    page.setSource(QUrl.fromLocalFile(str(guide / "page.md")))
    assert page.toPlainText() == "words"
    image = QTextDocument.ResourceType.ImageResource
    for good in ("picture.png", "../picture.png", str(guide / "picture.png")):
        assert bytes(page.loadResource(int(image.value), QUrl(good))) == b"picture"
    outside = (
        "../../other/picture.png", str(other / "picture.png"), f"file://{other}/picture.png",
        "http://127.0.0.1:1/x.png", "link.md", "qrc:/x", "data:image/png;base64,AA==", ".",
    )  # fmt: skip
    for bad in outside:
        assert not page.loadResource(int(image.value), QUrl(bad)), bad
        page.setSource(QUrl(bad))
        assert page.source().toLocalFile() == str(guide / "page.md"), bad
    panel = GuidePanel()
    qtbot.addWidget(panel)
    panel.open_contents()
    assert "First steps" in panel.page.toPlainText()


def test_no_view_goes_round_it() -> None:
    """Labels, tooltips and HTML are made in one place."""
    folder = Path(monitor.gui.__file__).parent
    found = []
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            called = node.func.id if isinstance(node.func, ast.Name) else called
            if called in ("QLabel", "setToolTip", "setHtml", "QMessageBox", "setMarkdown",
                          "setStatusTip", "setWhatsThis", "QTextEdit"):  # fmt: skip
                found.append(f"{path.name}: {called}")
            if called == "showText" and "tip_text" not in ast.unparse(node) + path.read_text():
                found.append(f"{path.name}: {called}")
    assert set(found) == {"plain_text.py: setToolTip"}
