"""Makes a wheel of the package, for pip (PEP 517 and 660): needs nothing but Python, so also no network.

    pip wheel python                               no libraries: those of the system are found at run time
    pip wheel python --config-settings=build=BUILD the libraries and the command of that folder of Meson
    python3 python/wheel_backend.py BUILD FOLDER   the same, without pip: the target `wheel` of Meson

The same files give the same bytes."""
import base64
import gzip
import hashlib
import os
import re
import sys
import tarfile
import tempfile
import zipfile

import wheel_libraries

HERE = os.path.dirname(os.path.abspath(__file__))


def _read(name):
    with open(os.path.join(HERE, name), "rb") as f:
        return f.read()


def _project(key):
    """A text of the project's table in pyproject.toml."""
    return re.search(r'^%s = "(.*)"$' % key, _read("pyproject.toml").decode(), re.M).group(1)


def _package():
    """The files of the package."""
    names = sorted(os.listdir(os.path.join(HERE, "fovea")))
    return ["fovea/" + n for n in names if n.endswith(".py") or n == "py.typed"]


def _metadata(licences):
    """The file METADATA."""
    lines = ["Metadata-Version: 2.4", "Name: " + _project("name"), "Version: " + _project("version"),
             "Summary: " + _project("description"), "Requires-Python: " + _project("requires-python"),
             "License-Expression: MIT", *["License-File: " + name for name in licences], "Requires-Dist: numpy",
             "Provides-Extra: onnx", "Requires-Dist: onnx; extra == 'onnx'", "Description-Content-Type: text/markdown", "",
             "Fovea compiles ONNX models to native code and to C, and runs them.", ""]
    return "\n".join(lines).encode()


def _stem():
    return "%s-%s" % (_project("name"), _project("version"))


def _records(contents, record):
    """The file RECORD: name, hash and size of each file."""
    lines = ["%s,sha256=%s,%d" % (name, base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode(), len(data))
             for name, data in contents.items()]
    return "\n".join(lines + [record + ",,", ""]).encode()


def _write(folder, contents, platform="any", licences=None):
    """Writes a wheel with these contents, by name, and returns its name."""
    info = _stem() + ".dist-info/"
    licence = os.path.join(HERE, "../LICENSE")  # a distribution of the sources has it next to this file
    texts = {"LICENSE": _read("../LICENSE" if os.path.exists(licence) else "LICENSE"),
             **{"%s.txt" % package: text for package, text in (licences or {}).items()}}
    contents = {**contents, **{info + "licenses/" + name: text for name, text in texts.items()},
                info + "METADATA": _metadata(texts), info + "WHEEL": (
                    "Wheel-Version: 1.0\nGenerator: fovea\nRoot-Is-Purelib: %s\nTag: py3-none-%s\n"
                    % (str(platform == "any").lower(), platform)).encode(),
                info + "entry_points.txt": b"[console_scripts]\nfovea = fovea.command:script\n"}
    contents[info + "RECORD"] = _records(contents, info + "RECORD")
    wheel = "%s-py3-none-%s.whl" % (_stem(), platform)
    with zipfile.ZipFile(os.path.join(folder, wheel), "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in contents.items():  # ZipInfo's own date: the same bytes each time
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if name == "fovea/fovea" else 0o100644) << 16  # of a regular file
            entry.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(entry, data)
    return wheel


def _with_libraries(folder, build):
    """Writes a wheel with what the folder of Meson has built."""
    with tempfile.TemporaryDirectory() as work:
        files = wheel_libraries.Files(build, work)
    contents = {**{name: _read(name) for name in _package()}, **files.contents}
    return _write(folder, contents, files.platform, files.licences)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    build = (config_settings or {}).get("build")
    if build:
        return _with_libraries(wheel_directory, os.path.join(os.environ.get("PWD", ""), build))
    return _write(wheel_directory, {name: _read(name) for name in _package()})


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _write(wheel_directory, {"fovea.pth": (HERE + "\n").encode()})


def _plain(entry):
    """A file of an archive without what differs between machines."""
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o644
    return entry


def build_sdist(sdist_directory, config_settings=None):
    name = _stem() + ".tar.gz"
    with open(os.path.join(sdist_directory, name), "wb") as f, gzip.GzipFile("", "wb", 9, f, 0) as z, \
            tarfile.open(fileobj=z, mode="w", format=tarfile.PAX_FORMAT) as t:
        for file in ["pyproject.toml", "wheel_backend.py", "wheel_libraries.py"] + _package():
            t.add(os.path.join(HERE, file), "%s/%s" % (_stem(), file), filter=_plain)
        licence = os.path.join(HERE, "../LICENSE")
        t.add(licence if os.path.exists(licence) else os.path.join(HERE, "LICENSE"), _stem() + "/LICENSE", filter=_plain)
    return name


if __name__ == "__main__":
    print(os.path.join(sys.argv[2], _with_libraries(sys.argv[2], sys.argv[1])))
