"""Where memory ends there is an exception, and no panic."""

import subprocess
import sys

import pytest

TO_BYTES = """
import resource, rustfits
fits = rustfits.FITS("mem://", "w+")
fits.create_image_hdu("u1", (100 << 20,))
# Room for the bytes once, but not for those of Python as well.
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (150 << 20), resource.RLIM_INFINITY))
try:
    fits.to_bytes()
except (MemoryError, OSError) as error:
    print(type(error).__name__)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_bytes_that_python_has_no_room_for():
    made = subprocess.run([sys.executable, "-c", TO_BYTES], capture_output=True, text=True, check=False)
    assert made.stdout == "MemoryError\n", made.stderr
