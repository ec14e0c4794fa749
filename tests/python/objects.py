"""The objects of the package that own memory of the library, and what can happen to them. Started as
objects.py OBJECT by test_objects.py: makes the object in a process of its own for each situation, and
prints a line for each: the situation, how the process ended, and what it printed last."""
import builtins
import copy
import gc
import logging
import os
import pickle
import sys
import tempfile
import threading
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [FOLDER, os.path.join(FOLDER, "../../python")]

import fovea  # noqa: E402
import numpy as np  # noqa: E402
from graphs import ADD, CACHE, NONZERO, ROOT  # noqa: E402
from test_adapters import values, write_adapter  # noqa: E402

STORIES = os.path.join(ROOT, "examples/stories/stories.onnx")
SECONDS = 60  # for each process
folder = tempfile.TemporaryDirectory() if __name__ == "__main__" else None  # of the files of all situations
# logits that depend on the last id alone: as many ids can be generated as a situation takes
ENDLESS = b"""fovea-ir 1
module "endless"
symbol n 1..1099511627776
const @next: f32[3, 3] = [0, 1, 0, 0, 0, 1, 1, 0, 0]
func @main(%input_ids: i64[1, n]) -> (%logits) {
  %logits = Gather(@next, %input_ids)
  return %logits
}
"""
X, Z = np.ones((3, 2), np.float32), np.float32([1, 2])


class Raises:
    """A value that fails where it is read."""

    def __array__(self, *_, **__):
        raise ZeroDivisionError("of the value")

    def __index__(self):
        raise ZeroDivisionError("of the value")


# ---- the objects: how one is made, what it gives, and a call that fails in a function of Python ----

def add(s):
    return s.run(None, {"x": X, "z": Z})[0].tolist()


def of_library():
    path = os.path.join(folder.name, "add.so")
    fovea.compile(ADD, path, header=False)
    return fovea.Session(path)


def result_of_a_run():
    return fovea.Session(NONZERO, backend="interp", threads=1)(np.float32([0, 1, 0, 2]))


def tell(s):
    """The values of a session with states, which it then forgets."""
    found = [float(s(np.float32([i]))) for i in (1, 2)]
    s.reset_states()
    return found


def backend():
    import fovea.backend
    from onnx import helper

    graph = helper.make_graph([helper.make_node("Add", ["x", "z"], ["y"])], "g", [
        helper.make_tensor_value_info("x", 1, [3, 2]), helper.make_tensor_value_info("z", 1, [2])],
        [helper.make_tensor_value_info("y", 1, [3, 2])])
    return fovea.backend.prepare(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]))


def in_a_file(read):
    with tempfile.NamedTemporaryFile() as f:
        write_adapter(f.name, values(4, 1))
        return read(f.name)


def adapters():
    loaded = fovea.LoraAdapter()
    in_a_file(loaded.Load)
    options = fovea.RunOptions()
    options.add_active_adapter(loaded)
    return options


def fails(s):
    s.run(None, {"x": Raises(), "z": Z})


OBJECTS = {
    "Session": (lambda: fovea.Session(ADD, threads=2), add, fails),
    "Session of interp": (lambda: fovea.Session(ADD, backend="interp"), add, fails),
    "Session of a path": (lambda: fovea.Session(os.path.join(ROOT, "examples/dates/dates.onnx"), backend="interp", level=0),
                          lambda s: s(np.zeros((1, 40), np.int32)).tolist(), lambda s: s(Raises())),
    "Session of a library": (of_library, add, fails),
    "Session with states": (lambda: fovea.Session(CACHE, states={"past": "present"}), tell, lambda s: s(Raises())),
    "Session with states in place": (lambda: fovea.Session(CACHE, states={"past": "present:64"}), tell,
                                     lambda s: s(Raises())),
    "InferenceSession": (lambda: fovea.InferenceSession(ADD, providers=["CPUExecutionProvider"]), add, fails),
    "Decoder": (lambda: fovea.Decoder(STORIES, backend="interp"), lambda d: fovea.generate(d, [0, 20], tokens=3),
                lambda d: fovea.generate(d, [0, Raises()])),
    "Generation": (lambda: fovea.generate_stream(ENDLESS, [0, 2], tokens=10**6, backend="interp"),
                   lambda g: len(next(g)), None),
    "FoveaRep": (backend, lambda r: r.run([X, Z])[0].tolist(), lambda r: r.run([Raises(), Z])),
    "Adapter": (lambda: in_a_file(fovea.Adapter), lambda a: {k: v.tolist() for k, v in a.items()}, None),
    "RunOptions": (adapters,
                   lambda o: {k: v.tolist() for k, v in o._adapters[0]._values.items()},
                   lambda o: o.add_active_adapter(Raises())),
    "result": (result_of_a_run, lambda y: y.tolist(), None),
    "base of a result": (lambda: result_of_a_run().base, lambda m: np.asarray(m).tolist(), None),
    "NodeArg": (lambda: fovea.Session(ADD, backend="interp").get_inputs()[0], repr, None),
    "SessionOptions": (fovea.SessionOptions, lambda o: o.intra_op_num_threads, None),
}


# ---- the situations: each prints what it finds ----

def copied(o, use, how):
    before = use(o)
    other = how(o)
    same = use(other) == before
    del other
    gc.collect()
    same = same and use(o) == before
    other = how(o)
    del o
    gc.collect()
    print("works" if same and use(other) == before else "differs")


def copied_once(o, use):
    copied(o, use, copy.copy)


def copied_deeply(o, use):
    copied(o, use, copy.deepcopy)


def pickled(o, use):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        copied(o, use, lambda o, protocol=protocol: pickle.loads(pickle.dumps(o, protocol)))


def copies_at_exit(o, use):
    use(o)
    builtins.kept = [o, copy.copy(o)]
    print("works")


def closed(o, use):
    if hasattr(o, "close"):
        o.close()
        o.close()
    use(o)
    print("works")


def closed_in_use(o, use):
    t, found = in_a_thread(o, use)
    if hasattr(o, "close"):
        o.close()
    else:
        found.append(None)
    t.join()
    print("works" if found[-1] is None else found[-1])


def in_a_thread(o, use, daemon=False):
    """A thread that uses the object until it is closed, or until something is in the list."""
    found, begun = [], threading.Event()

    def loop():
        try:
            while not found:
                use(o)
                begun.set()
        except Exception as e:
            found.append("%s: %s" % (type(e).__name__, e))
        begun.set()

    t = threading.Thread(target=loop, daemon=daemon)
    t.start()
    begun.wait()
    return t, found


def in_threads(o, use):
    all_of_them = [in_a_thread(o, use) for _ in range(4)]
    time.sleep(0.1)
    for _, found in all_of_them:
        found.append(None)
    for t, found in all_of_them:
        t.join()
    print([found[0] for _, found in all_of_them if found[0]] or "works")


def dropped_in_use(o, use):
    t, found = in_a_thread(o, use)
    del o
    gc.collect()
    found.append(None)
    t.join()
    print(found[0] or "works")


def forked(o, use):
    before = use(o)
    in_a_fork(o, use)
    print("works" if use(o) == before else "differs")


def forked_in_use(o, use):
    t, found = in_a_thread(o, use)
    in_a_fork(o, use)
    found.append(None)
    t.join()
    print("works")


def in_a_fork(o, use):
    """Uses the object in a process that is forked, which ends as any other."""
    pid = os.fork()
    if pid:
        status = os.waitpid(pid, 0)[1]
        if status:
            sys.exit("the fork ended with status %d" % status)
        return
    try:
        use(o)
    except fovea.FoveaError as e:
        if "forked" not in str(e):
            raise
    sys.exit(0)


def in_a_cycle(o, use):
    use(o)
    ring = [o]
    ring.append(ring)
    try:
        raise ValueError(o, ring)
    except ValueError as e:
        ring.append(e)
    del ring, o
    gc.collect()
    print("works")


def cycle_at_exit(o, use):
    use(o)
    builtins.kept = [o]
    builtins.kept.append(builtins.kept)
    print("works")


def at_exit_in_use(o, use):
    in_a_thread(o, use, daemon=True)
    print("works")


def raised(o, use):
    """An exception leaves a function that the package calls."""
    before = use(o)
    bad = OBJECTS[sys.argv[1]][2]
    for _ in range(3):
        try:
            if bad:
                bad(o)
        except (ZeroDivisionError, fovea.FoveaError):
            pass
    print("works" if use(o) == before else "differs")


def raised_in_a_handler(o, use):
    """A handler of logging raises where an object is made, and where one is used."""
    class Handler(logging.Handler):
        def emit(self, record):
            raise ZeroDivisionError("of the handler")

    logging.getLogger("fovea").addHandler(Handler())
    logging.getLogger("fovea").setLevel(logging.DEBUG)
    try:
        fovea.Session(ADD, passes=["remove-dead", "legalise"], backend="interp")
    except ZeroDivisionError:
        pass
    use(o)
    print("works")


SITUATIONS = [copied_once, copied_deeply, pickled, copies_at_exit, closed, closed_in_use, in_threads, dropped_in_use, forked,
              forked_in_use, in_a_cycle, cycle_at_exit, at_exit_in_use, raised, raised_in_a_handler]


def child(situation, out):
    """In the process of a situation, which ends as the interpreter ends."""
    os.dup2(out, 1)
    os.dup2(out, 2)
    make, use, _ = OBJECTS[sys.argv[1]]
    situation(make(), use)
    sys.stdout.flush()


def main():
    for situation in SITUATIONS:
        into, out = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(into)
            folder._finalizer.detach()
            return child(situation, out)
        os.close(out)
        killer = threading.Timer(SECONDS, os.kill, (pid, 9))
        killer.start()
        with open(into, errors="replace") as f:
            said = f.read().strip().splitlines() or [""]
        status = os.waitpid(pid, 0)[1]
        killer.cancel()
        killer.join()
        print("%s\t%d\t%s" % (situation.__name__, status, said[-1]), flush=True)
    folder.cleanup()


if __name__ == "__main__":
    main()
