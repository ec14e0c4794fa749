"""Prints the folder in which packages of Python are installed under a prefix. Usage: install_folder.py PREFIX

The Python that runs this finds packages there, if the prefix is one of its own. Debian's Python has a folder for its
packages (below /usr) and one for those of this machine (below /usr/local), both with names of their own. Under
/usr/local, the folder is where this Python installs packages by default. It is below another prefix only if that is the
prefix of this Python, which a version manager has installed for instance."""
import sys
import sysconfig


def folder(prefix):
    if prefix == "/usr" and "deb_system" in sysconfig.get_scheme_names():
        return sysconfig.get_path("purelib", "deb_system")
    if prefix == "/usr/local":
        return sysconfig.get_path("purelib")
    return sysconfig.get_path("purelib", "posix_prefix", {"base": prefix})


if __name__ == "__main__":
    print(folder(sys.argv[1]))
