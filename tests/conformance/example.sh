#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The example in plugins/README.md: builds it as the page says, against an include directory, and
# looks at what it exports. usage: example.sh README INCLUDE_DIR

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed -n '/^```c$/,/^```$/p' "$1" | sed '1d;$d' >"$work/file.c"
[[ -s $work/file.c ]] || { echo "no example in $1" >&2; exit 1; }
${CC:-cc} -O2 -Wall -Wextra -Wconversion -Wshadow -Werror -shared -fPIC -Wl,-z,now -Wl,-z,defs \
    -I"$2" -o "$work/file.so" "$work/file.c"
nm -D --defined-only "$work/file.so" | grep -q ' fl_sink_plugin$'
