"""Whether this screen can draw with OpenGL, found out without risking the program."""

from __future__ import annotations

import functools
import importlib.util
import os

from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext

LEAST_VERSION = (2, 1)
WITHOUT = ("offscreen", "minimal", "minimalegl", "linuxfb", "vnc")
"""Platforms of Qt that may offer a context and then break on it, or have none."""


@functools.cache
def why_no_opengl() -> str:
    """Why there is no OpenGL on this screen; nothing if there is."""
    platform = QGuiApplication.platformName()
    if platform in WITHOUT:
        return f"Qt's {platform} platform has none"
    if importlib.util.find_spec("OpenGL") is None:
        return "PyOpenGL is not installed"
    _name_binding(platform)
    surface, context = QOffscreenSurface(), QOpenGLContext()
    surface.create()
    if not surface.isValid() or not context.create() or not context.makeCurrent(surface):
        return "the driver provides no context"
    try:
        return _lacking(context)
    finally:
        context.doneCurrent()
        surface.destroy()


def _name_binding(platform: str) -> None:
    """PyOpenGL guesses from the desktop what Qt binds OpenGL with; it is reported, where we
    know."""
    if platform == "xcb":
        egl = os.environ.get("QT_XCB_GL_INTEGRATION") == "xcb_egl"
        os.environ.setdefault("PYOPENGL_PLATFORM", "egl" if egl else "glx")
    elif platform.startswith("wayland"):
        os.environ.setdefault("PYOPENGL_PLATFORM", "egl")


def _lacking(context: QOpenGLContext) -> str:
    """What the current context does not have of what the relief needs."""
    version = context.format().version()
    if context.isOpenGLES() or version < LEAST_VERSION:
        kind = " ES" if context.isOpenGLES() else ""
        return f"OpenGL 2.1 is needed, there is{kind} {version[0]}.{version[1]}"
    try:
        import pyqtgraph.opengl  # noqa: F401
        from OpenGL import contextdata

        contextdata.getContext()
    except Exception as error:  # a driver may fail in any way; the relief has another form
        return f"PyOpenGL does not work with it: {error}".splitlines()[0]
    return ""
