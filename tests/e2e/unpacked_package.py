"""Debian packages unpacked beside the system: nothing is installed, and nothing of the system changes.

What was downloaded stays in build/unpacked, for all builds and later runs.
"""

import contextlib
import fcntl
import functools
import pathlib
import re
import shutil
import subprocess
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "build" / "unpacked"
# Links of a merged /usr, so that what a package brings in /lib is found below usr.
MERGED = ("bin", "sbin", "lib", "lib64")


@functools.lru_cache
def unpacked(package, libraries=()):
    """The folder with the files of `package`, of the `libraries`, and of what they need, where the system lacks it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with locked():
        archives = archives_of(package, libraries)
        folder = FOLDER / package
        content = folder / "archives.txt"
        wanted = "".join(sorted(archive.name + "\n" for archive in archives))
        if not content.exists() or content.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            unpack(archives, folder)
            content.write_text(wanted)  # last: a folder without it is not complete
        return folder


@contextlib.contextmanager
def locked():
    """Tests that run at the same time do not download the same thing."""
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def archives_of(package, libraries):
    found = {package: archive_of(package)}
    waiting = [*libraries, *libraries_of(found[package])]
    while waiting:
        library = waiting.pop()
        if library not in found and not installed(library):
            found[library] = archive_of(library)
            waiting += libraries_of(found[library])
    return found.values()


def archive_of(package):
    """The package's file; downloaded where it is not there yet."""
    for archive in FOLDER.glob(f"{package}_*.deb"):
        return archive
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="download-") as fresh:
        # As this user: the one apt would become may not write here.
        download = ("apt-get", "-o", f"APT::Sandbox::User={pathlib.Path(fresh).owner()}", "download", package)
        try:
            run(*download, cwd=fresh)
        except AssertionError:  # the lists may be older than what the archive has now
            run("apt-get", "update")
            run(*download, cwd=fresh)
        (archive,) = pathlib.Path(fresh).glob("*.deb")
        return archive.rename(FOLDER / archive.name)


def libraries_of(archive):
    """Of alternatives the first; what is no library has to do with installing, which nobody does here."""
    depends = run("dpkg-deb", "--field", archive, "Depends").decode()
    return [name for name in re.findall(r"(?:^|,)\s*([\w.+-]+)", depends) if name.startswith("lib")]


def installed(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package], capture_output=True, text=True,
                          timeout=60)
    return done.returncode == 0 and "installed" in re.findall(r"[\w-]+", done.stdout)


def unpack(archives, folder):
    for name in MERGED:
        (folder / "usr" / name).mkdir(parents=True)
        (folder / name).symlink_to(f"usr/{name}")
    for archive in archives:
        # Not dpkg-deb --extract: it puts a folder in the place of such a link.
        run("tar", "--extract", "--keep-directory-symlink", "--directory", folder,
            stdin=run("dpkg-deb", "--fsys-tarfile", archive))


def run(*command, cwd=None, stdin=b""):
    """What the command prints."""
    done = subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr.decode(errors='replace')}"
    return done.stdout
