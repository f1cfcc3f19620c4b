"""The sources the checkers look at, and how they report."""
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def sources(*suffixes, under=""):
    """Paths, relative to the top, of the tree's files that end so; new files count before they are added."""
    listing = subprocess.run(["git", "-C", TOP, "ls-files", "--cached", "--others", "--exclude-standard"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    if listing.returncode == 0:
        paths = listing.stdout.splitlines()
    else:
        paths = [os.path.relpath(os.path.join(base, file), TOP)
                 for base, folders, files in os.walk(TOP) for file in files]
        paths = [path for path in paths if not path.startswith(("build", "."))]
    return sorted({path for path in paths if path.endswith(suffixes) and path.startswith(under)
                   and os.path.exists(os.path.join(TOP, path))})


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def allowed(path):
    """The entries of an allow list: `WHAT  reason`, one a line; an entry without a reason is an error."""
    entries = {}
    for number, line in enumerate(read(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        what, _, why = line.partition(" ")
        if not why.strip():
            sys.exit(f"{path}:{number}: {what} has no reason")
        entries[what] = why.strip()
    return entries


def finish(complaints):
    """Prints the complaints and ends with the status that says whether there were any."""
    for complaint in complaints:
        print(complaint)
    sys.exit(1 if complaints else 0)
