#!/bin/bash
# clang-tidy over all C files, two at a time, with what .clang-tidy asks.
set -u
cd "$(dirname "$0")/../.."
flags="-std=gnu17 -D_GNU_SOURCE -DGG_VERSION=\"x\" -DGG_LIBEXECDIR=\"x\" \
	-Igitgate $(pkg-config --cflags libgit2 libmicrohttpd libpq jansson)"
git ls-files 'gitgate/*/*.c' |
	xargs -P 2 -n 8 sh -c 'clang-tidy --quiet "$@" -- '"$flags" sh 2>/dev/null |
	grep -E '(warning|error):' >build/tidy.txt
if [ -s build/tidy.txt ]; then
	sort -u build/tidy.txt
	exit 1
fi
