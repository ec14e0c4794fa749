"""The objects of the package in all situations (objects.py): each situation is a process, which ends with
the result or exception of the table, and never by a signal. Python checks its memory and itself."""
import os
import subprocess
import sys

import objects
from graphs import Case

CLOSED = "fovea.errors.FoveaError: FV_BAD_ARGUMENT: the session is closed"
IN_USE = "FoveaError: FV_BAD_ARGUMENT: the session is closed"
NO_COPY = "TypeError: a generation cannot be copied or pickled"
NO_PICKLE = "TypeError: memory of the library cannot be pickled"
SESSIONS = [name for name in objects.OBJECTS if "Session" in name and name != "SessionOptions"] + ["Decoder"]
# what is expected but that it works: the end of the process, and the beginning of its last line
OTHERS = {
    **{(name, "closed"): (1, CLOSED) for name in SESSIONS},
    **{(name, "closed_in_use"): (0, IN_USE) for name in SESSIONS},
    **{("Generation", name): (1, NO_COPY) for name in ("copied_once", "copied_deeply", "pickled", "copies_at_exit")},
    ("Generation", "closed"): (1, "StopIteration"),
    ("Generation", "closed_in_use"): (0, "StopIteration"),
    ("base of a result", "pickled"): (1, NO_PICKLE),
}


class Objects(Case):
    def situations(self, name):
        """The lines of objects.py, by the situation."""
        command = [sys.executable, "-X", "dev", "-W", "ignore", os.path.join(objects.FOLDER, "objects.py"), name]
        said = subprocess.run(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONMALLOC": "debug"}, check=True)
        lines = [line.split("\t") for line in said.stdout.decode().splitlines()]
        return {situation: (os.waitstatus_to_exitcode(int(status)), text) for situation, status, text in lines}


def test_of(name):
    def test(self):
        found = self.situations(name)
        self.assertEqual(sorted(found), sorted(s.__name__ for s in objects.SITUATIONS))
        for situation, (status, text) in found.items():
            expected, begins = OTHERS.get((name, situation), (0, "works"))
            with self.subTest(object=name, situation=situation):
                self.assertEqual((status, text[:len(begins)]), (expected, begins), text)
    return test


for _name in objects.OBJECTS:
    setattr(Objects, "test_" + _name.replace(" ", "_"), test_of(_name))
