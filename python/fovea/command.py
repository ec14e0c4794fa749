"""The command `fovea`: where it is, and what it alone can do."""
import os
from typing import Any, Dict, List, Optional, Union

from . import library, options, source
from .errors import FoveaError, report


def find() -> str:
    """The path of the command: next to the library, in a folder `bin` above it, or in PATH."""
    import shutil
    folders = []
    try:
        path = library.path_of(library.runtime())
        folder = os.path.dirname(path) if path else ""
        folders = [folder] + [os.path.normpath(os.path.join(folder, up, "bin")) for up in ("..", "../..")]
        folders.append(os.path.normpath(os.path.join(folder, "../tools")))  # of a build that is not installed
    except FoveaError:
        pass  # then the command alone may be installed
    found = [f for f in (os.path.join(d, "fovea") for d in folders) if os.path.isfile(f) and os.access(f, os.X_OK)]
    command = found[0] if found else shutil.which("fovea")
    if not command:
        raise FoveaError("FV_BAD_FILE", ["the command fovea is neither next to the library nor in PATH"])
    return command


def main(arguments: List[str]) -> int:
    """Replaces this process by the command."""
    command = find()
    os.execv(command, [command] + arguments)


def inspect(model: Any, *, dims: Optional[options.Dims] = None, states: Optional[options.States] = None,
            target: Optional[str] = None, level: Union[int, str, None] = None) -> Dict[str, Any]:
    """What a model contains and how it is compiled: what `fovea inspect --json` prints.

    model, dims, states, target, level  as for Session
    """
    import json  # such modules would double the time that importing this package takes
    import subprocess

    o = options.make(dims=dims, states=states, target=target, level=level)  # checks them
    arguments = ["--dim=" + t for t in options.dim_texts(dims)] + ["--state=" + t for t in options.state_texts(states)]
    arguments += ["--target=" + target] if target else []
    arguments += ["-O" + o.level.decode()] if level is not None else []
    with source.path_of(model) as (path, name):
        fds = [int(path.rsplit(b"/", 1)[1])] if path.startswith(source.IN_MEMORY) else []
        done = subprocess.run([find().encode(), b"inspect", path, *[a.encode() for a in arguments], b"--json"],
                              stdin=subprocess.DEVNULL, capture_output=True, pass_fds=fds, check=False)
        text = done.stderr.decode("utf-8", "replace").replace(os.fsdecode(path), name)
    if done.returncode:
        report({1: 9, 2: 8}.get(done.returncode, 11), text)
    report(0, text)
    found: Dict[str, Any] = json.loads(done.stdout)
    found["model"] = name
    return found
