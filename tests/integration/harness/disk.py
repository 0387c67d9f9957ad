# SPDX-License-Identifier: Apache-2.0
"""A state directory whose disk can be filled: a small one of its own where this process may mount one;
else fastlane is forbidden to write any file, which it finds out in the same place, by another error.
Then its stdout and its log, if they are files, can't be written either."""

import os
import resource
import subprocess


class SmallDisk:
    SIZE = 256 * 1024

    def __init__(self, folder, mount=True):
        self.folder = folder
        self.filler = folder + "/filler"
        os.makedirs(folder, exist_ok=True)
        self.mounted = mount and os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "mode=0700,size=%d" % self.SIZE, "fastlane-test", folder],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ).returncode == 0
        self.kind = "a full tmpfs" if self.mounted else "RLIMIT_FSIZE"
        self.full = False

    def fill(self, process):
        self.full = True
        if self.mounted:
            with open(self.filler, "ab", buffering=0) as file:
                try:
                    while file.write(bytes(4096)) == 4096:
                        pass
                except OSError:
                    pass
        self.apply(process)

    def free(self, process):
        self.full = False
        if self.mounted:
            os.remove(self.filler)
        self.apply(process)

    def apply(self, process):
        """To be called for each new process too."""
        if self.mounted or process is None or process.poll() is not None:
            return
        limit = 0 if self.full else resource.RLIM_INFINITY
        try:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        except ProcessLookupError:
            pass

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.folder], check=True)
            self.mounted = False
