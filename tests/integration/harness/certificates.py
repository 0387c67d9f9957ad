# SPDX-License-Identifier: Apache-2.0
"""Certificates of two authorities."""

import os
import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def new_key(path):
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path]


def make(folder):
    """Two authorities, and what they have signed: for 127.0.0.1 or for elsewhere, for two days or
    until yesterday. NAME.pem and NAME.key each."""
    os.mkdir(folder)
    for authority in ("right", "wrong"):
        path = "%s/%s" % (folder, authority)
        openssl("req", "-x509", "-subj", "/CN=" + authority, "-days", "2", *new_key(path + ".key"),
                "-out", path + ".pem")
    here = "IP:127.0.0.1"
    for name, authority, days, address in (
            ("server", "right", "2", here), ("elsewhere", "right", "2", "DNS:elsewhere.example"),
            ("expired", "right", "-1", here), ("foreign", "wrong", "2", here),
            ("client", "right", "2", "DNS:fastlane.example"),
            ("stranger", "wrong", "2", "DNS:fastlane.example")):
        path = "%s/%s" % (folder, name)
        openssl("req", "-new", "-subj", "/CN=" + name, *new_key(path + ".key"), "-out", path + ".csr")
        with open(path + ".ext", "w") as file:
            file.write("subjectAltName=" + address)
        openssl("x509", "-req", "-in", path + ".csr", "-days", days, "-extfile", path + ".ext",
                "-CA", "%s/%s.pem" % (folder, authority), "-CAkey", "%s/%s.key" % (folder, authority),
                "-CAcreateserial", "-out", path + ".pem")
    return folder
