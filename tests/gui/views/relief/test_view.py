"""The relief: its arithmetic, its 2-D form, and in three dimensions on a screen that has OpenGL."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt

from monitor.gui.state.snapshot import Answer, Choice, Snapshot, colour_levels, rims
from monitor.gui.views.relief.gl_probe import why_no_opengl
from monitor.gui.views.relief.shading import Look, lambert, painted, shade, slopes, surface, thin
from monitor.gui.views.relief.view import ReliefView
from monitor.gui.widgets import theme
from monitor.wire.results.queries import MapRequest, PitsRequest
from tests.gui.made import of_one_cell

VOXEL = 0.5
PLATEAU, DEEP = 4.0, 12.0


def header(name="removal", shape=(60, 80), step=1, scan=3):
    ny, nx = shape
    return {"type": "map", "cell": "A", "scan": scan, "name": name, "step": step,
            "window": (0, ny * step, 0, nx * step), "voxel_size": (VOXEL,) * 3,
            "units": "µm", "length_unit": "µm"}  # fmt: skip


def dome(shape=(60, 80), height=DEEP):
    """Removal with one pit in the middle, and its label."""
    ny, nx = shape
    y, x = np.mgrid[:ny, :nx]
    away = np.hypot(y - ny / 2, x - nx / 2) / (0.25 * ny)
    depth = height * np.sqrt(np.clip(1 - away**2, 0, None))
    return (PLATEAU + depth).astype(np.float32), (depth > 0).astype(np.int32)


def facts(number, shape=(60, 80), **more):
    maps = ["height", "removal", "pit_labels"] if number else ["height"]
    return {"scan": number, "maps": maps, "provisional": False, "length_unit": "µm",
            "start_time": 1800.0 * number, "version": number, "shape": shape,
            "voxel_size": (VOXEL,) * 3, "complete_um": PLATEAU} | more  # fmt: skip


def relief(array, scan=3, name="removal"):
    head = header(name, array.shape, scan=scan)
    return Answer(MapRequest("A", scan, name), head, array, colour_levels(array))


def labels_of(array, scan=3):
    head = header("pit_labels", array.shape, scan=scan)
    return Answer(MapRequest("A", scan, "pit_labels"), head, array, rims=rims(array))


def pits_of(scan=3):
    columns = {"id": [1], "parent": [-1], "first_scan": [1]}
    return Answer(PitsRequest("A", scan), {"type": "pits", "scan": scan, "columns": columns}, None)


def snapshot(scans=None, **answers):
    return of_one_cell([facts(i) for i in range(4)] if scans is None else scans, **answers)


@pytest.fixture
def view(qtbot, qapp):
    theme.apply(qapp)
    made = ReliefView()
    qtbot.addWidget(made)
    made.resize(700, 500)
    made.show()
    return made


def test_slopes_of_a_plane_are_its_own():
    y, x = np.mgrid[:7, :9].astype(np.float32)
    slope_y, slope_x = slopes(3 * y - 2 * x, 0.5, 4.0)
    np.testing.assert_allclose(slope_y[1:-1, 1:-1], 6.0, rtol=1e-6)
    np.testing.assert_allclose(slope_x[1:-1, 1:-1], -0.5, rtol=1e-6)


@pytest.mark.parametrize("azimuth", [0, 45, 180, 315])
@pytest.mark.parametrize("altitude", [20, 45, 70])
def test_a_slope_that_faces_the_light_is_brightest_flat_ground_has_its_sine(azimuth, altitude):
    flat = np.zeros((1, 1), np.float32)
    assert lambert(flat, flat, azimuth, altitude).item() == pytest.approx(
        np.sin(np.radians(altitude)), abs=1e-6
    )
    # a plane whose normal points to the light rises away from it
    rise = 1 / np.tan(np.radians(altitude))
    slope_y = flat - np.float32(rise * np.cos(np.radians(azimuth)))
    slope_x = flat - np.float32(rise * np.sin(np.radians(azimuth)))
    assert lambert(slope_y, slope_x, azimuth, altitude).item() == pytest.approx(1, abs=1e-5)
    behind = lambert(-slope_y, -slope_x, azimuth, altitude).item()
    assert behind == pytest.approx(max(0, -np.cos(np.radians(2 * altitude))), abs=1e-5)


def test_pits_are_hills_or_lie_as_they_are():
    removal, pit = dome()
    hills = surface(removal, header(), None, True)
    lying = surface(removal, header(), None, False)
    assert hills.z[30, 40] == hills.z.max() == pytest.approx(DEEP, abs=0.01)
    assert lying.z[30, 40] == lying.z.min() == 0
    height = surface(125 - removal, header("height"), None, True)
    np.testing.assert_allclose(height.z, hills.z, atol=1e-4)
    assert hills.x[-1] == pytest.approx(79 * VOXEL)
    assert (hills.z[pit == 0] == 0).all()


def test_what_is_not_measurable_is_at_the_plateau_and_lit_as_flat_ground():
    removal, _ = dome()
    removal[28:33, 38:43] = np.nan
    removal[5, 5] = np.inf
    ground = surface(removal, header(), PLATEAU + 1, True)
    assert np.isfinite(ground.z).all()
    np.testing.assert_allclose(ground.z[ground.hole], 1.0, atol=1e-5)
    assert ground.hole.sum() == 26
    look = Look(times=10, altitude=30)
    light = shade(ground, look)
    flat = shade(surface(np.ones((5, 5), np.float32), header(), None, True), look)[2, 2]
    np.testing.assert_allclose(light[27:34, 37:44], flat)
    grey = np.array([9, 90, 200], np.uint8)
    table = np.full((256, 3), 255, np.uint8)
    colours = painted(ground, (0.0, 1.0), table, np.ones_like(light), grey)
    assert (colours[ground.hole][:, :3] == grey).all()
    assert (colours[~ground.hole] == 255).all()
    assert surface(np.full((5, 5), np.nan, np.float32), header(), None, True) is None


def test_more_points_than_can_be_drawn_are_thinned_and_stay_in_place():
    removal = np.zeros((900, 640), np.float32)
    ground = surface(removal, header(shape=removal.shape, step=2), None, True)
    assert ground.z.size <= 320 * 320
    assert ground.pitch[0] == pytest.approx(2 * VOXEL * thin(removal))


def picture(view):
    return view.flat.image.image


def test_without_opengl_a_shaded_map_is_shown_and_why(view):
    removal, _ = dome()
    view.draw(snapshot(relief=relief(removal)), Choice("A", cross=(12, 34)))
    assert view.pages.currentWidget() is view.flat
    assert view.why.isVisible()
    assert "No OpenGL here" in view.why.text()
    assert why_no_opengl() in view.why.text()
    assert not view.only_flat.isVisible()
    assert view.flat.image.isVisible()
    rect = view.flat.image.mapRectToParent(view.flat.image.boundingRect())
    assert (rect.left(), rect.width()) == (-VOXEL / 2, pytest.approx(80 * VOXEL))
    assert view.flat.plot.getAxis("bottom").labelText == "x / µm"
    assert view.flat.plot.getAxis("left").labelText == "y / µm"
    assert view.flat.plot.vb.state["aspectLocked"] == 1.0
    assert (view.flat.down.value(), view.flat.across.value()) == (34 * VOXEL, 12 * VOXEL)
    assert "Scan 3" in view.caption.text()
    for part in ("z ×5", "× 12.0 µm", "pits as hills", "NW (315°)"):
        assert part in view.scale.text()


def brighter_flank(view):
    """Which side of the dome is brighter, as seen on the screen: left or right, bottom or top."""
    shown = picture(view)[..., :3].mean(axis=2)
    left, right = shown[30, 28], shown[30, 52]
    bottom, top = shown[18, 40], shown[42, 40]
    return "left" if left > right else "right", "bottom" if bottom > top else "top"


def test_the_light_comes_from_where_it_is_put_and_pits_turn_it_round(view):
    removal, _ = dome()
    view.draw(snapshot(relief=relief(removal)), Choice("A"))
    assert brighter_flank(view) == ("left", "top")
    view.controls.azimuth.setValue(135)
    assert brighter_flank(view) == ("right", "bottom")
    view.controls.form.setCurrentIndex(1)
    view.controls.form.activated.emit(1)
    assert brighter_flank(view) == ("left", "top")
    assert "as depressions" in view.scale.text()
    flat = picture(view)[30, 40].astype(int)
    view.controls.altitude.setValue(15)
    assert picture(view)[30, 40].astype(int).sum() < flat.sum()


def test_more_stretch_makes_more_contrast(view, qtbot):
    removal, _ = dome(height=3.0)
    view.draw(snapshot(relief=relief(removal)), Choice("A"))
    contrast = []
    for i, times in enumerate((1, 2, 5, 10, 20)):
        view.controls.stretch.activated.emit(i)
        assert f"z ×{times} " in view.scale.text()
        shown = picture(view)[30, :, :3].mean(axis=1)
        contrast.append(float(shown[34] - shown[46]))
    assert 0 < contrast[0] < contrast[1] < contrast[2]


def test_pits_are_outlined_marked_and_coloured_by_age(view, qtbot):
    removal, pit = dome()
    told = {"relief": relief(removal), "relief_labels": labels_of(pit), "pits": pits_of()}
    view.draw(snapshot(**told), Choice("A", outlines=False))
    plain = picture(view).copy()
    view.draw(snapshot(**told), Choice("A"))
    changed = (picture(view) != plain).any(axis=2)
    np.testing.assert_array_equal(changed, rims(pit) > 0)
    view.draw(snapshot(**told), Choice("A", outlines=False, pit=1))
    assert (picture(view)[rims(pit) > 0][:, 2] > 200).all()  # the chosen one's is blue
    qtbot.mouseClick(view.ages, Qt.MouseButton.LeftButton)
    changed = (picture(view) != plain).any(axis=2)
    assert changed[pit > 0].mean() > 0.99
    assert not changed[pit == 0].any()


def test_labels_of_another_thinning_or_scan_are_not_drawn(view):
    removal, pit = dome()
    choice = Choice("A")
    view.draw(snapshot(relief=relief(removal)), choice)
    plain = picture(view).copy()
    for wrong in (labels_of(pit[::2, ::2]), labels_of(pit, scan=2)):
        view.draw(snapshot(relief=relief(removal), relief_labels=wrong), choice)
        np.testing.assert_array_equal(picture(view), plain)


def test_a_click_tells_the_pixel(view, qtbot):
    removal, _ = dome()
    view.draw(snapshot(relief=relief(removal)), Choice("A"))
    box = view.flat.plot.vb
    place = box.mapViewToScene(box.mapSceneToView(box.sceneBoundingRect().center()) + QPoint(3, -2))
    at = box.mapSceneToView(place)
    with qtbot.waitSignal(view.cross_moved) as told:
        graphics = view.flat.graphics
        spot = graphics.mapFromScene(place)
        qtbot.mouseClick(graphics.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    row, column = told.args
    assert row == pytest.approx(at.y() / VOXEL, abs=1.5)
    assert column == pytest.approx(at.x() / VOXEL, abs=1.5)


@pytest.mark.parametrize(
    ("scans", "said", "text"),
    [
        ([], {}, "first scan of cell A"),
        (None, {}, "Fetching the surface of scan 3"),
        ([facts(0, maps=["bottom"])], {}, "no map of heights"),
        (
            None,
            {"relief": relief(np.full((60, 80), np.nan, np.float32))},
            "Nothing is measurable in scan 3",
        ),
        (
            None,
            {
                "relief": Answer(
                    MapRequest("A", 3, "removal"), {"type": "error", "why": "lost"}, None
                )
            },
            "lost",
        ),
    ],
)
def test_an_empty_view_says_why(view, scans, said, text):
    view.draw(snapshot(scans, **said), Choice("A"))
    assert text in view.flat.message._text
    assert not view.flat.image.isVisible()
    removal, _ = dome()
    view.draw(snapshot(relief=relief(removal)), Choice("A"))
    assert view.flat.message._text == ""
    assert view.flat.image.isVisible()


def test_before_the_engine_answers_it_is_waited_for(view):
    view.draw(Snapshot(address="tcp://there:1"), Choice("A"))
    assert "tcp://there:1" in view.flat.message._text


def test_another_scan_is_shown_only_when_it_has_come(view):
    removal, _ = dome()
    view.draw(snapshot(relief=relief(removal)), Choice("A"))
    before = picture(view)
    view.draw(snapshot(relief=relief(removal)), Choice("A", scan=2))
    assert "Fetching the surface of scan 2" in view.caption.text()
    assert picture(view) is before


def test_nothing_is_done_again_for_what_is_drawn(view):
    removal, _ = dome((320, 320))
    scans = [facts(i, (320, 320)) for i in range(4)]
    told = snapshot(scans, relief=relief(removal))
    view.draw(told, Choice("A"))
    before = picture(view)
    view.draw(told, Choice("A", cross=(1, 2)))
    assert picture(view) is before
    view.draw(told, Choice("A", colours="viridis"))
    assert picture(view) is not before


def test_a_new_scan_is_drawn_within_the_budget(view):
    removal, pit = dome((320, 320))
    scans = [facts(i, (320, 320)) for i in range(4)]
    spent = []
    for i in range(5):
        told = snapshot(scans, relief=relief(removal + i), relief_labels=labels_of(pit))
        begin = time.thread_time()
        view.draw(told, Choice("A"))
        spent.append(time.thread_time() - begin)
    assert min(spent) < 0.04


@pytest.mark.parametrize("shade", ["dark", "light"])
def test_holes_have_the_colour_of_no_data_in_each_look(view, qapp, shade):
    removal, _ = dome()
    removal[:10, :10] = np.nan
    theme.apply(qapp, shade, 1.3)
    view.restyle()
    view.draw(snapshot(relief=relief(removal)), Choice("A"))
    hue = picture(view)[3, 3, :3] / picture(view)[3, 3, :3].max()
    expected = theme.rgb(theme.palette().no_data)
    np.testing.assert_allclose(hue, expected / expected.max(), atol=0.03)
    theme.apply(qapp)


ON_A_SCREEN = """
import json, sys, time
import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QDockWidget, QMainWindow, QTextEdit
from monitor.gui.widgets import theme
from monitor.gui.views.relief.gl_probe import why_no_opengl
from monitor.gui.state.snapshot import Choice
from tests.gui.views.relief.test_view import ReliefView, dome, facts, relief, snapshot

app = QApplication([])
theme.apply(app)
window, dock, view = QMainWindow(), QDockWidget("relief"), ReliefView()
dock.setWidget(view)
window.setCentralWidget(QTextEdit())
window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
window.resize(1000, 600)
window.show()
told = {"why": why_no_opengl()}

def wait():
    for _ in range(20):
        app.processEvents()
        time.sleep(0.02)

def seen():
    scene = view._scene
    for item in (scene.box, scene.row, scene.column, *scene.lengths):
        item.setVisible(False)
    frame = scene.widget.grabFramebuffer().convertToFormat(frame_format)
    rows = np.frombuffer(frame.constBits(), np.uint8)
    shape = frame.height(), frame.bytesPerLine() // 4, 4
    return rows.reshape(shape)[:, : frame.width(), :3].copy()

def skyline(image):
    # how many rows the highest point stands above the plateau at both sides
    other = np.abs(image.astype(int) - image[0, 0].astype(int)).sum(axis=2) > 12
    tops = other.argmax(axis=0)[other.any(axis=0)]
    sides = np.concatenate((tops[5 : len(tops) // 6], tops[-len(tops) // 6 : -5]))
    return float(np.median(sides) - tops.min())

wait()
removal, _ = dome()
view.draw(snapshot(relief=relief(removal)), Choice("A"))
wait()
if view._scene is None:
    print(json.dumps(told))
    sys.exit()
from PySide6.QtGui import QImage
frame_format = QImage.Format.Format_RGB32
scene = view._scene
told["valid"] = scene.widget.isValid()
told["spread"] = float(seen().std())
told["why line"] = view.why.isVisible()
side = {"elevation": 0, "azimuth": -90}
scene.widget.touched = True
scene.widget.setCameraPosition(**side)
told["hills"] = skyline(seen())
view.controls.set_look(hills=False)
told["pits"] = skyline(seen())
view.controls.set_look(hills=True)
for name, azimuth in (("west", 270), ("east", 90)):
    view.controls.set_look(azimuth=azimuth)
    image = seen().astype(float)
    half = image.shape[1] // 2
    told[name] = float(image[:, :half].mean() - image[:, half:].mean())
dock.setFloating(True)
wait()
told["torn off"] = [scene.widget.isValid(), float(seen().std())]
dock.setFloating(False)
wait()
told["back"] = [scene.widget.isValid(), float(seen().std())]
big, _ = dome((320, 320))
scans = [facts(i, (320, 320)) for i in range(8)]
spent = []
for scan in (4, 5, 6, 7):
    new = snapshot(scans, relief=relief(big + scan, scan=scan))
    begin = time.thread_time()
    view.draw(new, Choice("A", scan=scan))
    spent.append(time.thread_time() - begin)
told["draw"] = min(spent)
view.only_flat.click()
wait()
told["2-D"] = view.pages.currentWidget() is view.flat and not view.why.isVisible()
view.only_flat.click()
wait()
told["3-D again"] = view.pages.currentWidget() is scene.widget and float(seen().std())
window.close()
print(json.dumps(told))
"""


@pytest.fixture
def display():
    """A display of its own, such as ":5"; it ends with the test."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed: there is no screen to draw on")
    ours, its = os.pipe()
    command = ["Xvfb", "-displayfd", str(its), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=(its,), stderr=subprocess.DEVNULL)
    os.close(its)
    try:
        with os.fdopen(ours) as number:
            yield f":{number.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


def on(display, **more):
    """What the script above has to tell from that display."""
    root = Path(__file__).parents[4]
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "PYTHONPATH": path,
           "LIBGL_ALWAYS_SOFTWARE": "1", **more}  # fmt: skip
    command = [sys.executable, "-c", ON_A_SCREEN]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, cwd=root)
    assert done.returncode == 0, done.stderr
    assert "Error while drawing" not in done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_on_a_screen_the_surface_stands_up_and_the_light_falls_on_it(display):
    if importlib.util.find_spec("OpenGL") is None:
        pytest.skip("PyOpenGL is not installed: there is the 2-D relief only")
    told = on(display)
    assert told["why"] == ""
    assert told["valid"]
    assert not told["why line"]
    assert told["spread"] > 10
    assert told["hills"] > 20, "a pit as a hill stands above the plateau"
    assert told["pits"] < 5, "nothing stands above a plateau with a pit as it lies"
    assert told["west"] > 0 > told["east"]
    for where in ("torn off", "back"):
        valid, spread = told[where]
        assert valid
        assert spread > 10
    assert told["draw"] < 0.04
    assert told["2-D"]
    assert told["3-D again"] > 10


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["offscreen", "minimal"])
def test_platforms_that_break_on_opengl_are_not_tried(display, platform):
    told = on(display, QT_QPA_PLATFORM=platform)
    assert platform in told["why"]
