"""Take one file out of a package of the npm registry: fetch_npm.py PACKAGE VERSION PATH_IN_PACKAGE DESTINATION.

`npm pack` does the work, with the registry that npm is set up for, and checks the package's integrity.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path


def main(package: str, version: str, member: str, destination: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        sys.exit(f"npm is needed to fetch {package}: install it (Debian: apt-get install npm)")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"{package}@{version}", "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        [archive] = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as files:
            file = files.extractfile(f"package/{member}")
            if file is None:
                sys.exit(f"{package} {version} has no {member}")
            target = Path(destination)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read())
    print(f"{destination}: {package} {version}")


if __name__ == "__main__":
    main(*sys.argv[1:])
