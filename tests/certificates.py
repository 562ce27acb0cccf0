"""Certificates made when a test runs: good ones, and such as a client must refuse."""

import shutil
import subprocess
from pathlib import Path

from musicrec.errors import Unavailable

CONFIGURATION = """
[ca]
default_ca = own
[own]
database = {folder}/index
new_certs_dir = {folder}
default_md = sha256
policy = any
rand_serial = yes
[any]
commonName = supplied
"""


def self_signed(
    folder: Path,
    *,
    names: str = "DNS:localhost,IP:127.0.0.1",
    ends: str = "20991231000000Z",
    begins: str = "20200101000000Z",
) -> Path:
    """Return a PEM file with a key and its certificate, good for `names` between two moments (YYYYMMDDhhmmssZ).

    The folder's name is its subject: of two trusted certificates with one subject a client looks at the first alone.
    """
    folder.mkdir(parents=True)
    (folder / "index").touch()
    (folder / "ca.cnf").write_text(CONFIGURATION.format(folder=folder))
    (folder / "names").write_text(f"subjectAltName={names}\n")
    key, request, certificate = folder / "key.pem", folder / "request.pem", folder / "certificate.pem"
    subject = f"/CN={folder.name}, for tests only"
    _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
             "-keyout", key, "-out", request)  # fmt: skip
    # `openssl ca`, because it alone takes both moments, in every version.
    _openssl("ca", "-batch", "-selfsign", "-notext", "-config", folder / "ca.cnf", "-keyfile", key, "-in", request,
             "-startdate", begins, "-enddate", ends, "-extfile", folder / "names", "-out", certificate)  # fmt: skip
    both = folder / "key-and-certificate.pem"
    both.write_text(key.read_text() + certificate.read_text())
    return both


def _openssl(*arguments: str | Path) -> None:
    if shutil.which("openssl") is None:
        raise Unavailable("no openssl on PATH: it makes the certificates of the tests")
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
