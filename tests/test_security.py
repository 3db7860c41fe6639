"""Nothing that came over a wire or out of a file is ever run, in any source of the program."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    ROOT / "launch.py",
    *sorted((ROOT / "monitor").rglob("*.py")),
    *sorted((ROOT / "simulators").rglob("*.py")),
]
MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "jsonpickle",
    "code",
}
"""What makes objects, or runs code, out of bytes. YAML has loaders that do: there is no YAML."""
YAML = {"yaml", "ruamel", "ruamel.yaml"}
CALLS = {"eval", "exec", "compile", "__import__", "literal_eval", "read_pickle", "import_module"}
SAFE = {"re.compile"}
"""Of text that stands in the source."""
KNOWN = {
    "monitor/cli/doctor.py": ["importlib.import_module"],  # of the libraries that it looks for
    "monitor/gui/app.py": ["app.exec"],  # Qt's event loop
}


def loaders(tree: ast.AST) -> list[str]:
    """What a source does that could run what came from outside."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found += [n.name for n in names if n.name.split(".")[0] in MODULES | YAML]
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES | YAML:
                found.append(module)
            case ast.Call(func=func):
                name = ast.unparse(func)
                if name.split(".")[-1] in CALLS and name not in SAFE:
                    found.append(name)
                for keyword in node.keywords:
                    allowed = isinstance(keyword.value, ast.Constant) and not keyword.value.value
                    if keyword.arg == "allow_pickle" and not allowed:
                        found.append("allow_pickle")
                    if keyword.arg == "shell" and not allowed:
                        found.append("shell")
                loads = name in ("np.load", "numpy.load")
                if loads and all(keyword.arg != "allow_pickle" for keyword in node.keywords):
                    found.append(f"{name} without allow_pickle=False")
                if name.split(".")[-1] in ("recv_pyobj", "send_pyobj", "system", "popen"):
                    found.append(name)
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_from_outside_is_run(source: Path) -> None:
    known = KNOWN.get(source.relative_to(ROOT).as_posix(), [])
    assert loaders(ast.parse(source.read_text("utf-8"))) == known


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from yaml import load", "eval(x)", "exec(x)", "np.load(f)",
        "np.load(f, allow_pickle=True)", "np.load(f, allow_pickle=flag)", "socket.recv_pyobj()",
        "subprocess.run(x, shell=True)", "os.system(x)", "importlib.import_module(x)",
        "from joblib import load", "ast.literal_eval(x)",
    ],
)  # fmt: skip
def test_the_look_is_sharp_enough(text: str) -> None:
    assert loaders(ast.parse(text))


def test_there_are_sources_to_look_at() -> None:
    assert len(SOURCES) > 100
    assert loaders(ast.parse("np.load(f, allow_pickle=False); re.compile('a')")) == []


def test_msgpack_is_never_read_with_numpy_s_own_hook() -> None:
    """`msgpack_numpy.decode` and `patch` unpickle arrays of objects."""
    for source in SOURCES:
        text = source.read_text("utf-8")
        for name in ("msgpack_numpy.decode", "msgpack_numpy.patch", "msgpack_numpy.unpack"):
            assert name not in text, source
