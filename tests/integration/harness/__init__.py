# SPDX-License-Identifier: Apache-2.0
"""What the integration tests are made of: servers, the daemon, and ways to compare."""
