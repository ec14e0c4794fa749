"""Makes a small Debian system of the files of packages that this machine has, to install packages that were built.

Usage: packages.py FOLDER DEBS DEPENDENCY...

FOLDER gets the essential packages, and those that the dependencies need, directly or through others: no package besides,
so a dependency that a package fails to declare is missing. A dependency may be one of the files DEBS/*.deb, which is
looked up there first, and is not installed; the names of such files are printed. Recommended packages are not taken, and
neither are documents, manual pages and translations. What the scripts of packages have made is taken from this machine:
alternatives, users and groups. No network is needed.
Ends with status 1 if this machine lacks a package, which is named."""
import glob
import os
import re
import shutil
import subprocess
import sys

LEFT_OUT = re.compile(r"^/usr/share/(doc|info|locale|man|lintian)/.")
STATE = "/var/lib/dpkg"


def stanzas(text):
    """The paragraphs of a control file, as dictionaries of fields."""
    for paragraph in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", paragraph, re.M))
        if fields:
            fields["text"] = paragraph.strip()
            yield fields


class System:
    def __init__(self, debs):
        self.installed, self.provided, self.built = {}, {}, {}
        with open(STATE + "/status", encoding="utf-8") as f:
            known = [p for p in stanzas(f.read()) if p["Status"].endswith(" installed")]
        foreign = subprocess.run(["dpkg", "--print-architecture"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        for package in known:
            if package["Architecture"] in (foreign, "all"):
                self.add(self.installed, package)
        for deb in glob.glob(debs + "/*.deb"):
            fields = subprocess.run(["dpkg-deb", "-f", deb], stdout=subprocess.PIPE, text=True, check=True).stdout
            package = next(stanzas(fields))
            package["file"] = deb
            self.built[package["Package"]] = package
        self.chosen, self.files = {}, []

    def add(self, table, package):
        table[package["Package"]] = package
        for name in re.findall(r"([\w.+-]+)(?: \([^)]*\))?(?:, |$)", package.get("Provides", "")):
            self.provided.setdefault(name, package["Package"])

    def find(self, alternatives):
        """The package that the first alternative of a dependency names that is there; None: there is none."""
        for name in alternatives:
            for table in self.built, self.installed:
                if name in table:
                    return table[name]
        for name in alternatives:
            if name in self.provided:
                return self.installed[self.provided[name]]
        return None

    def need(self, dependencies, by):
        """Takes the packages that this field of a control file names."""
        for dependency in filter(None, (d.strip() for d in dependencies.split(","))):
            package = self.find([re.match(r"[\w.+-]+", a.strip()).group() for a in dependency.split("|")])
            if package is None:
                sys.exit("this machine lacks %s, which %s needs" % (dependency, by))
            self.take(package)

    def take(self, package):
        name = package["Package"]
        if name in self.chosen or name in self.built and package["file"] in self.files:
            return
        if "file" in package:
            self.files.append(package["file"])
        else:
            self.chosen[name] = package
        for field in "Pre-Depends", "Depends":
            self.need(package.get(field, ""), name)

    def lists(self):
        """The lists of files, and the scripts, that dpkg keeps of the chosen packages."""
        for name in self.chosen:
            yield from glob.glob("%s/info/%s.*" % (STATE, glob.escape(name)))
            yield from glob.glob("%s/info/%s:*" % (STATE, glob.escape(name)))

    def contents(self):
        """The files of the chosen packages, by their paths without symbolic links to folders."""
        found = {"/etc/passwd", "/etc/group"}
        for path in self.lists():
            if path.endswith(".list"):
                with open(path, encoding="utf-8") as f:
                    for line in f.read().split("\n"):
                        line = line.rstrip("/")
                        if line and line != "/." and not LEFT_OUT.match(line) and os.path.lexists(line):
                            found.add(line)
                            found.add(os.path.join(os.path.realpath(os.path.dirname(line)), os.path.basename(line)))
        return {path for path in found if os.path.realpath(os.path.dirname(path)) == os.path.dirname(path)}

    def alternatives(self, contents):
        """Links through /etc/alternatives to files that were taken."""
        for link in glob.glob("/usr/*bin/*") + glob.glob("/usr/lib/*/*.so*"):
            if os.path.islink(link) and os.readlink(link).startswith("/etc/alternatives/") and os.path.realpath(link) in contents:
                yield link
                yield os.readlink(link)

    def write(self, folder):
        contents = self.contents()
        contents.update(self.alternatives(contents))
        names = "\0".join(sorted(path[1:] for path in contents))
        tar = ["tar", "-C", "/", "--no-recursion", "--ignore-failed-read", "-c", "--null", "-T", "-"]
        with subprocess.Popen(["tar", "-C", folder, "-xp"], stdin=subprocess.PIPE) as extract:
            done = subprocess.run(tar, input=names.encode(), stdout=extract.stdin, stderr=subprocess.PIPE, check=False)
        # Status 1 says that something changed while it was read: /tmp does whenever another program makes a file there.
        if done.returncode not in (0, 1) or extract.returncode:
            sys.exit("tar failed, writing with %d, reading with %d: %s"
                     % (done.returncode, extract.returncode, done.stderr.decode(errors="replace")))
        state = folder + STATE
        for name in "info", "triggers", "updates", "alternatives", "parts":
            os.makedirs(os.path.join(state, name), exist_ok=True)
        for path in self.lists():
            shutil.copy2(path, state + "/info")
        shutil.copy2(STATE + "/info/format", state + "/info")
        for name in "diversions", "statoverride":
            shutil.copy2(os.path.join(STATE, name), state)
        with open(state + "/status", "w", encoding="utf-8") as f:
            for package in self.chosen.values():
                f.write(package["text"] + "\n\n")
        with open(STATE + "/triggers/File", encoding="utf-8") as f, open(state + "/triggers/File", "w", encoding="utf-8") as out:
            out.writelines(line for line in f if line.split()[-1].split("/")[0] in self.chosen)
        with open(state + "/available", "w", encoding="utf-8"):
            pass


def main():
    folder, debs, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
    system = System(debs)
    for package in list(system.installed.values()):
        if package.get("Essential") == "yes":
            system.take(package)
    system.need(",".join(wanted), "the test")
    system.write(folder)
    print("\n".join(system.files))


if __name__ == "__main__":
    main()
