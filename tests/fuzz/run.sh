#!/bin/bash
# Every fuzz target for some seconds, two at a time. A crash, a failed oracle
# or a leak ends with the input that makes it, in BUILD_DIR/found.
#
#	tests/fuzz/run.sh BUILD_DIR SECONDS
set -u
cd "$(dirname "$0")/../.."
build=$1
seconds=$2
mkdir -p "$build/found"

fuzz() {
	local name=${1##*/fuzz_} log=$build/found/${1##*/}.log
	mkdir -p "$build/corpus/$name"
	if "$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
		-artifact_prefix="$build/found/$name-" \
		"$build/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
		echo "passed: $name, $(grep -E '^Done ' "$log")"
	else
		echo "FAILED: $name"
		tail -n 60 "$log"
		return 1
	fi
}
export -f fuzz
export build seconds
printf '%s\n' "$build"/fuzzers/fuzz_* | grep -v '\.d$' |
	xargs -P 2 -I{} bash -c 'fuzz {}'
