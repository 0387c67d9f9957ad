# SPDX-License-Identifier: Apache-2.0
"""The oracle: folds fastlane's stdout stream into tables and compares them with SELECT.

See `run --help`, and tests/README.md."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "integration"))
