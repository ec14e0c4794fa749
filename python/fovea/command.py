"""The command `fovea`: where it is, and what it alone can do."""
import contextlib
import os
from typing import Any, Dict, List, Optional, Sequence, Union

from . import library, options, source
from .errors import FoveaError, of_lines, report
from .notebook import Inspection


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


def script() -> int:
    """The program `fovea` of a wheel."""
    import sys

    try:
        return main(sys.argv[1:])
    except FoveaError as e:
        sys.exit("fovea: %s" % "; ".join(e.messages))


def ask(subcommand: str, models: Sequence[Any], arguments: Sequence[str], folder: Optional[str] = None) -> Dict[str, Any]:
    """The JSON that the command prints about models. Messages and the JSON's texts name models in
    memory `model`; messages name files in `folder`, a temporary one, without it."""
    import json  # such modules would double the time that importing this package takes
    import subprocess

    with contextlib.ExitStack() as stack:
        given = [stack.enter_context(source.path_for_command(m)) for m in models]
        done = subprocess.run([find().encode(), subcommand.encode(), *[path for path, _, _ in given],
                               *[os.fsencode(a) for a in arguments], b"--json"], stdin=subprocess.DEVNULL,
                              capture_output=True, pass_fds=[fd for _, _, fds in given for fd in fds], check=False)
        said, out = (t.decode("utf-8", "surrogateescape") for t in (done.stderr, done.stdout))
        for path, name, fds in given:
            if fds:
                said, out = said.replace(os.fsdecode(path), name), out.replace(os.fsdecode(path), name)
    if folder is not None:
        said = said.replace(os.path.join(folder, ""), "")
    differs = subcommand == "diff" and done.returncode == 1 and out  # which is no failure
    if done.returncode and not differs:
        report({1: 9, 2: 8}.get(done.returncode, 11), of_lines(said))
    report(0, of_lines(said))
    found: Dict[str, Any] = json.loads(out)
    return found


def arguments_of(dims: Optional[options.Dims], states: Optional[options.States], target: Optional[str],
                 level: Union[int, str, None]) -> List[str]:
    """Options of the command, checked."""
    o = options.make(dims=dims, states=states, target=target, level=level)
    texts = ["--dim=" + t for t in options.dim_texts(dims)] + ["--state=" + t for t in options.state_texts(states)]
    texts += ["--target=" + target] if target else []
    return texts + (["-O" + o.level.decode()] if level is not None else [])


def inspect(model: Any, *, dims: Optional[options.Dims] = None, states: Optional[options.States] = None,
            target: Optional[str] = None, level: Union[int, str, None] = None) -> Inspection:
    """What a model contains and how it is compiled: what `fovea inspect --json` prints, as a dict.

    model, dims, states, target, level  as for Session
    """
    return Inspection(ask("inspect", [model], arguments_of(dims, states, target, level)))
