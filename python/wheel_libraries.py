"""The files that a build of Fovea gives to a wheel: its libraries and the command, with copies of the libraries that
they need, and what the machine must have to load them.

As auditwheel does, a copy gets a name of its own, so that another library in the process that has the same name is
neither replaced nor used. That needs the program patchelf; without it no library is copied, and the wheel is for
machines that have them."""
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sysconfig

# what each system has that can install a wheel for manylinux (PEP 600)
SYSTEM = re.compile(r"(libc|libm|libdl|libpthread|librt|libutil|libgcc_s|libstdc\+\+|libz|ld-linux[-\w]*)\.so\.\d+")
# macros of compilers for x86, and the names of these features in /proc/cpuinfo
FEATURES = {"__SSE3__": "pni", "__SSSE3__": "ssse3", "__SSE4_1__": "sse4_1", "__SSE4_2__": "sse4_2", "__POPCNT__": "popcnt",
            "__AVX__": "avx", "__AVX2__": "avx2", "__FMA__": "fma", "__F16C__": "f16c", "__BMI__": "bmi1", "__BMI2__": "bmi2",
            "__LZCNT__": "abm", "__MOVBE__": "movbe", "__AVX512F__": "avx512f", "__AVX512BW__": "avx512bw",
            "__AVX512CD__": "avx512cd", "__AVX512DQ__": "avx512dq", "__AVX512VL__": "avx512vl"}


def _said(*command):
    """What a command prints."""
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, "LC_ALL": "C"}).stdout.decode()


def _read(path):
    with open(path, "rb") as f:
        return f.read()


class Binary:
    """What `objdump -p` says of a library or program: `needed`, the names of libraries; `glibc`, the newest version
    (2, N) of symbols of the C library."""

    def __init__(self, path):
        said = _said("objdump", "-p", path)
        self.needed = re.findall(r"^\s+NEEDED\s+(\S+)", said, re.M)
        self.glibc = max([(2, 5)] + [(int(a), int(b)) for a, b in re.findall(r"\bGLIBC_(\d+)\.(\d+)", said)])


def _where(path):
    """The files of the libraries that a file needs, also indirectly, by name."""
    return dict(re.findall(r"^\s+(\S+) => (/\S+)", _said("ldd", path), re.M))


def _licences(paths):
    """The licences of copied libraries, by package, where the package manager is Debian's."""
    found = {}
    for path in paths if shutil.which("dpkg-query") else []:
        done = subprocess.run(["dpkg-query", "-S", os.path.realpath(path)], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=False)
        package = done.stdout.decode().split(":")[0]
        text = "/usr/share/doc/%s/copyright" % package
        if package and os.path.exists(text):
            found[package] = _read(text)
    return found


def cpu_features(build):
    """The features of x86 that the compiler was allowed to use, as /proc/cpuinfo calls them."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        entry = next(e for e in json.load(f) if e["file"].endswith("runtime/load.c"))
    words = shlex.split(entry["command"])
    compiler = [w for w in words if w.startswith("-m") or w.startswith("--target")]
    first = [w for w in words[:2] if "ccache" not in w][:1]
    macros = set(_said(*first, *compiler, "-dM", "-E", "-x", "c", "/dev/null").split())
    return [flag for macro, flag in FEATURES.items() if macro in macros]


class Files:
    """What a wheel gets of a build.

    contents   bytes by names within the wheel
    licences   texts of copied libraries, by package
    platform   the wheel's tag
    """

    def __init__(self, build, work):
        self.contents, self.licences = {}, {}
        self._work, self._patchelf = work, shutil.which("patchelf")
        own = [("fovea/libfovea.so.0", "tools/libfovea.so.0"), ("fovea/libfovea-run.so.0", "runtime/libfovea-run.so.0"),
               ("fovea/fovea", "tools/fovea")]
        found = {name: os.path.join(build, path) for name, path in own if os.path.exists(os.path.join(build, path))}
        if "fovea/libfovea-run.so.0" not in found:
            raise SystemExit("%s has no shared libraries; a wheel needs -Ddefault_library=shared or both" % build)
        self._own = {os.path.basename(name) for name in found}  # they find each other next to themselves
        self._copied = {}  # the names of copies by the names of libraries
        self._binaries = {}
        for name, path in found.items():
            self._add(name, path)
        self.contents["fovea/cpu_features"] = (" ".join(cpu_features(build)) + "\n").encode()
        self.platform = self._tag()

    def _add(self, name, path):
        """Adds a file without symbols and without paths of the build, and what it needs."""
        self._binaries[name] = binary = Binary(path)
        copy = os.path.join(self._work, os.path.basename(name))
        _said("strip", "--strip-unneeded", "-o", copy, path)
        extra = [n for n in binary.needed if not SYSTEM.fullmatch(n) and n not in self._own]
        for change in self._changes(name, extra, path) if self._patchelf else []:
            _said("patchelf", *change, copy)  # one at a time: version 0.14 loses some of several
        self.contents[name] = _read(copy)

    def _changes(self, name, extra, path):
        """The options of patchelf for a file that needs the libraries `extra`, which are copied."""
        inside = name.startswith("fovea/libs/")
        changes = [["--remove-rpath"]]
        changes += [["--set-soname", os.path.basename(name)]] if inside else []
        folders = [] if inside or not extra else ["$ORIGIN/libs"]
        if inside and extra or self._own & set(self._binaries[name].needed):
            folders.append("$ORIGIN")
        changes += [["--set-rpath", ":".join(folders)]] if folders else []
        where = _where(path) if extra else {}
        return changes + [["--replace-needed", n, self._copy(n, where)] for n in extra]

    def _copy(self, needed, where):
        """The name of the copy of a library that is needed."""
        if needed not in self._copied:
            if needed not in where:
                raise SystemExit("the library %s is not found" % needed)
            path = os.path.realpath(where[needed])
            stem, suffix = needed.split(".so", 1)
            self._copied[needed] = "%s-%s.so%s" % (stem, hashlib.sha256(_read(path)).hexdigest()[:8], suffix)
            self.licences.update(_licences([path]))
            self._add("fovea/libs/" + self._copied[needed], path)
        return self._copied[needed]

    def _tag(self):
        """manylinux_2_N_MACHINE if the wheel needs a C library of version 2.N and no other library that a system may
        lack; otherwise linux_MACHINE."""
        machine = re.sub(r"\W", "_", sysconfig.get_platform())
        own = self._own.union(self._copied)
        names = [n for b in self._binaries.values() for n in b.needed if not SYSTEM.fullmatch(n) and n not in own]
        if names or not machine.startswith("linux_"):
            return machine
        newest = max(b.glibc for b in self._binaries.values())
        return "manylinux_%d_%d_%s" % (newest + (machine[len("linux_"):],))
