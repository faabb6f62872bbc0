"""Through a proxy the original trusts certifi's authorities and no others: makes a copy of that package which trusts one more.

    trust.py <certificate> <folder to put on PYTHONPATH>
"""

import pathlib
import shutil
import sys

import certifi

certificate, folder = map(pathlib.Path, sys.argv[1:])
copy = folder / "certifi"
shutil.copytree(pathlib.Path(certifi.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
with (copy / "cacert.pem").open("a", encoding="ascii") as bundle:
    bundle.write("\n" + certificate.read_text(encoding="ascii"))
