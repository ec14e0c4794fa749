"""Makes a wheel of the package, for pip (PEP 517 and 660): needs nothing but Python, so also no network.

Libraries that are in the folder fovea/ are in the wheel, which then is for this platform."""
import base64
import hashlib
import os
import re
import sysconfig
import tarfile
import zipfile

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
    return ["fovea/" + n for n in names if n.endswith(".py") or n == "py.typed" or re.search(r"\.so(\.\d+)*$", n)]


def _metadata():
    return ("Metadata-Version: 2.1\nName: %s\nVersion: %s\nSummary: %s\nRequires-Python: %s\nLicense: MIT\n"
            "Requires-Dist: numpy\n" % tuple(_project(k) for k in ("name", "version", "description", "requires-python"))).encode()


def _stem():
    return "%s-%s" % (_project("name"), _project("version"))


def _write(folder, contents):
    """Writes a wheel with these contents, by name, and returns its name."""
    has_libraries = any(".so" in name for name in contents)
    platform = re.sub(r"\W", "_", sysconfig.get_platform()) if has_libraries else "any"
    info = _stem() + ".dist-info/"
    contents = {**contents, info + "METADATA": _metadata(), info + "WHEEL": (
        "Wheel-Version: 1.0\nGenerator: fovea\nRoot-Is-Purelib: %s\nTag: py3-none-%s\n"
        % (str(not has_libraries).lower(), platform)).encode()}
    records = ["%s,sha256=%s,%d" % (name, base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode(),
                                    len(data)) for name, data in contents.items()]
    contents[info + "RECORD"] = "\n".join(records + [info + "RECORD,,", ""]).encode()
    wheel = "%s-py3-none-%s.whl" % (_stem(), platform)
    with zipfile.ZipFile(os.path.join(folder, wheel), "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in contents.items():  # ZipInfo's own date: the same bytes each time
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(entry, data)
    return wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return _write(wheel_directory, {name: _read(name) for name in _package()})


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _write(wheel_directory, {"fovea.pth": (HERE + "\n").encode()})


def build_sdist(sdist_directory, config_settings=None):
    name = _stem() + ".tar.gz"
    with tarfile.open(os.path.join(sdist_directory, name), "w:gz") as t:
        for file in ["pyproject.toml", "wheel_backend.py"] + _package():
            t.add(os.path.join(HERE, file), "%s/%s" % (_stem(), file))
    return name
