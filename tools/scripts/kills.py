"""Runs the parts of a model many times, and kills, stops, delays or truncates one of them at random.

    kills.py FOVEA MODEL [--runs 200] [--seed 1] [--timeout 10] [--verbose]

MODEL is the decoder of examples/stories. It is cut into ranks, stages, and both, and compiled to libraries as well. Each run
takes one of these cuts, as processes of mpirun or as threads of one process, and `fovea run` or `fovea generate`. A process
of a rank is then killed, stopped for good, stopped for a while, or started late, or a file of the parts is truncated before;
some runs are left alone.

What must hold in each run: all processes of ranks end within --timeout and a margin, counted from what was done to one of
them; a run that ends well has the outputs, bit by bit, or the ids of the model; one that does not has written no other
output, and a message says why; a run that nothing was done to, or whose rank was only late, ends well. mpirun of Open MPI
may itself hang after all ranks have ended: it is killed then, which is counted, and is no failure of the run.

The same seed draws the same runs. The exit status is 1 if anything did not hold."""
import argparse
import copy
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

MARGIN = 30  # seconds by which a busy machine may delay the end of a run
TOKENS = 100
LIBRARIES = ".libraries"
CUTS = {"ranks": ["--ranks", "3"], "stages": ["--stages", "3"], "both": ["--stages", "2", "--ranks", "2"]}
HURT = ("killed", "stopped", "paused")
KINDS = ["killed", "stopped", "paused", "late", "truncated", "nothing"]
PROCESS = 'echo $$ >"$PIDS/$OMPI_COMM_WORLD_RANK"; [ "$OMPI_COMM_WORLD_RANK" != "$LATE" ] || sleep "$DELAY"; exec "$@"'


def call(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


class Bench:
    """The parts, and what they compute."""

    def __init__(self, fovea, model, timeout):
        self.fovea, self.timeout = fovea, timeout
        self.folders = []
        dims = ["--dim", "batch=2", "--dim", "s=4", "--dim", "past=5"]
        self.ids, self.seconds = {}, {}
        for name, options in CUTS.items():
            call(fovea, "shard", model, *options, "-o", name, "-q")
            call(fovea, "compile", name, "-o", name + LIBRARIES, "-q", "--state", "past_key_values.*=present.*:room")
            inputs = "--save-inputs" if name == "ranks" else "--data-set"
            call(fovea, "run", name, *dims, "-o", "whole." + name, inputs, "in")
            ids = call(fovea, "generate", name + LIBRARIES, *self.prompt())
            for folder in (name, name + LIBRARIES):
                self.folders.append(folder)
                self.ids[folder] = ids

    def usual_seconds(self, run):
        """How long a run takes to which nothing is done."""
        key = (run.folder, run.generates, run.processes)
        if key not in self.seconds:
            times = []
            for _ in range(2):
                begin = time.monotonic()
                again = copy.copy(run)
                again.kind = "nothing"
                again.start()
                again.child.wait()
                times.append(time.monotonic() - begin)
            self.seconds[key] = min(times)
        return self.seconds[key]

    @staticmethod
    def prompt():
        return ["--ids", "0,20,12", "--tokens", str(TOKENS), "-q"]

    def command(self, folder, parts, generates):
        whole = "whole." + folder.removesuffix(LIBRARIES)
        if generates:
            return [self.fovea, "generate", parts, *self.prompt(), f"--timeout={self.timeout}", "--threads=1"]
        return [self.fovea, "run", parts, "--data-set", "in", "--expect", whole, "--atol=0", "--rtol=0", "-o", "out",
                f"--timeout={self.timeout}", "--threads=1"]

    @staticmethod
    def ranks(folder):
        return 4 if folder.startswith("both") else 3


class Run:
    """One run, and what was done to it."""

    def __init__(self, bench, draw):
        self.bench = bench
        self.folder = draw.choice(bench.folders)
        self.generates = draw.random() < 0.6
        self.processes = draw.random() < 0.75
        self.ranks = bench.ranks(self.folder)
        self.victim = draw.randrange(self.ranks)
        self.kind = draw.choice(KINDS if self.processes else ["killed", "paused", "truncated", "nothing"])
        self.share = draw.random()  # of the usual time of a run, after which something is done to a rank
        self.pause = 0.1 + draw.random() * min(3, bench.timeout / 4)
        self.cut = draw.random()
        self.weights = draw.random() < 0.3
        self.hung = False
        self.status = None

    def __str__(self):
        how = "processes" if self.processes else "threads"
        what = "generate" if self.generates else "run"
        return (f"{what} {self.folder}, {how}: rank {self.victim} {self.kind} after {100 * self.share:.0f}%, "
                f"for {self.pause:.2f} s, at {self.cut:.2f}")

    def parts(self):
        """The folder of the parts; of a truncated file, a copy of it."""
        if self.kind != "truncated":
            return self.folder
        shutil.rmtree("cut", ignore_errors=True)
        shutil.copytree(self.folder, "cut")
        names = sorted(n for n in os.listdir("cut") if n.startswith(f"rank{self.victim}.") and not n.endswith(".h"))
        name = os.path.join("cut", names[-1] if self.weights else names[0])
        os.truncate(name, int(self.cut * os.path.getsize(name)))
        return "cut"

    def pid(self, rank):
        """The process of a rank, once it has begun; None: it has not."""
        if not self.processes:
            return self.child.pid
        try:
            with open(f"pids/{rank}", encoding="ascii") as file:
                return int(file.read())
        except (FileNotFoundError, ValueError):
            return None

    def is_running(self, rank):
        """Does the rank still run, so that others may wait for it? One that was stopped for good does not."""
        pid = self.pid(rank)
        if pid is None or (rank == self.victim and self.kind == "stopped"):
            return False
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return file.read().rpartition(")")[2].split()[0] not in "ZX"
        except FileNotFoundError:
            return False

    def signal(self, number):
        """Sends the victim a signal, as soon as it has begun. Returns whether it could."""
        while self.child.poll() is None:
            pid = self.pid(self.victim)
            if pid is not None:
                try:
                    os.kill(pid, number)
                    return True
                except ProcessLookupError:
                    return False
            time.sleep(0.01)
        return False

    def start(self):
        for folder in ("pids", "out"):
            shutil.rmtree(folder, ignore_errors=True)
        os.mkdir("pids")
        command = self.bench.command(self.folder, self.parts(), self.generates)
        late = self.victim if self.kind == "late" else -1
        env = dict(os.environ, PIDS=os.path.abspath("pids"), LATE=str(late), DELAY=f"{self.pause:.2f}")
        if self.processes:
            command = ["mpirun", "--oversubscribe", "-n", str(self.ranks), "sh", "-c", PROCESS, "rank", *command]
        with open("stdout", "w", encoding="utf-8") as out, open("stderr", "w", encoding="utf-8") as err:
            self.child = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=env,
                                          start_new_session=True)

    def hurt(self):
        if self.kind not in HURT:
            return
        time.sleep(self.share * self.seconds)
        if self.kind == "killed":
            self.signal(signal.SIGKILL)
        elif self.signal(signal.SIGSTOP) and self.kind == "paused":
            time.sleep(self.pause)
            self.signal(signal.SIGCONT)

    def wait(self):
        """Waits for the end. False: a rank still runs after the limit of time."""
        end = time.monotonic() + self.bench.timeout + MARGIN
        while time.monotonic() < end and self.child.poll() is None:
            time.sleep(0.02)
        running = [r for r in range(self.ranks) if self.is_running(r)] if self.child.poll() is None else []
        if self.child.poll() is None:
            self.hung = not running
            os.killpg(self.child.pid, signal.SIGKILL)
            for rank in range(self.ranks if self.processes else 0):
                try:
                    os.kill(self.pid(rank) or self.child.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.status = self.child.wait()
        return not running

    # ---- what must hold ----

    def is_right(self, out):
        """Is what was written right, as far as it was written?"""
        if self.generates:
            ids = self.bench.ids[self.folder]
            return ids.startswith(out.rstrip("\n")) and (self.status != 0 or out == ids)
        whole = "whole." + self.folder.removesuffix(LIBRARIES)
        for name in os.listdir("out") if os.path.isdir("out") else []:
            if name.startswith(".fovea-"):  # files that were not complete when the program was killed
                continue
            with open(f"out/{name}", "rb") as a, open(f"{whole}/{name}", "rb") as b:
                if a.read() != b.read():
                    return False
        said = re.search(r"(\d) of 7 outputs as expected", out)
        return said.group(1) == "7" if said else self.status != 0

    def fault(self):
        """What did not hold; None: all did."""
        self.seconds = self.bench.usual_seconds(self) if self.kind in HURT else 0
        begin = time.monotonic()
        why = self.fault_of_run()
        self.took = time.monotonic() - begin
        return why

    def fault_of_run(self):
        self.start()
        self.hurt()
        ended = self.wait()
        with open("stdout", encoding="utf-8") as out, open("stderr", encoding="utf-8") as err:
            out, err = out.read(), err.read()
        self.said = err
        if not ended:
            return "a rank still runs"
        if not self.is_right(out):
            return "a wrong result"
        if self.status and self.kind in ("late", "paused", "nothing") and not self.hung:
            return f"status {self.status}, though no rank has ended"
        if not self.status and self.kind == "truncated":
            return "a part that was truncated was run"
        if self.kind == "truncated" and f"rank {self.victim}: " not in err:
            return "no message names the rank whose part was truncated"
        if self.status and self.kind == "stopped" and not self.hung and not re.search(
                r"step \d+: rank \d+ has waited|do not connect within --timeout", err):
            return "no message says for which rank others have waited"
        return None


def report(runs, faults):
    print(f"{'':10} {'runs':>5} {'ended well':>11} {'with a message':>15} {'mpirun hung':>12} {'longest':>9}")
    for kind in KINDS:
        of = [r for r in runs if r.kind == kind]
        well = sum(r.status == 0 for r in of)
        hung = sum(r.hung for r in of)
        print(f"{kind:10} {len(of):5} {well:11} {len(of) - well - hung:15} {hung:12} {max([r.took for r in of], default=0):7.1f} s")
    print(f"{len(runs)} runs, {faults} faults")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fovea")
    parser.add_argument("model")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=int, default=10)
    parser.add_argument("--verbose", action="store_true")
    a = parser.parse_args()
    fovea, model = os.path.abspath(a.fovea), os.path.abspath(a.model)
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    faults, runs = 0, []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        bench = Bench(fovea, model, a.timeout)
        draw = random.Random(a.seed)
        for number in range(a.runs):
            run = Run(bench, draw)
            why = run.fault()
            runs.append(run)
            if why:
                faults += 1
                print(f"FAULT in run {number}: {run}: {why}; status {run.status}\n{run.said[-1500:]}", flush=True)
            elif a.verbose:
                print(f"run {number}: {run}: status {run.status}{', mpirun hung' * run.hung}, {run.took:.1f} s", flush=True)
        os.chdir("/")
    report(runs, faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
