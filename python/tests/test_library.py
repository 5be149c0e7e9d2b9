"""The compiled library beside others."""

import shutil
import subprocess

import gedanken._native
import pytest


def test_the_library_leaves_the_little_static_thread_local_storage_to_others() -> None:
    """Two libraries that take of it, this one and torch, may not load into one process."""
    readelf = shutil.which("readelf")
    if readelf is None:
        pytest.skip("no readelf")
    done = subprocess.run([readelf, "--dynamic", gedanken._native.__file__], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a library of ELF")
    assert "STATIC_TLS" not in done.stdout
