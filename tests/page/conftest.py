from __future__ import annotations

import shutil
import subprocess
import tarfile

import pytest

GSAP = "3.15.0"


@pytest.fixture(scope="session")
def gsap(pytestconfig: pytest.Config) -> bytes:
    """GSAP's script, fetched once by npm into pytest's cache: its licence does not let us keep a copy."""
    script = pytestconfig.cache.mkdir("gsap") / f"gsap-{GSAP}.min.js"
    if not script.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.fail(
                "the GSAP tests fetch gsap with npm, which is not on the PATH; install it, or deselect '-k gsap'"
            )
        packed = subprocess.run(
            [npm, "pack", f"gsap@{GSAP}", "--silent", "--pack-destination", script.parent],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if packed.returncode:
            pytest.fail(f"npm could not fetch gsap@{GSAP}: {packed.stderr.strip()[-500:]}")
        archive = script.parent / packed.stdout.split()[-1]
        with tarfile.open(archive) as tar:
            member = tar.extractfile("package/dist/gsap.min.js")
            assert member is not None
            script.write_bytes(member.read())
        archive.unlink()
    return script.read_bytes()
