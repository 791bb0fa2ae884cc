#!/bin/bash
# Every test: units, replayed fuzz corpora, both stores, end to end, browser.
#
#	tests/run.sh [BUILD_DIR]
#
# BUILD_DIR: build (default) or build/san. Prints each runner's closing lines
# and ends with the number of suites that failed as its exit code.
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
export GITGATE_BUILD=$PWD/$build
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0:handle_abort=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
python=/usr/bin/python3
failed=0
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT

suite() {
	local name=$1
	shift
	if "$@" >"$log/out" 2>&1; then
		grep -E 'PASSED|passed' "$log/out" | tail -2
	else
		echo "FAILED: $name"
		tail -n 200 "$log/out"
		failed=$((failed + 1))
	fi
}

n=0
for t in tests/unit/test_*.c; do
	t=$(basename "$t" .c)
	suite "$t" "$build/tests/unit/$t"
	n=$((n + 1))
done
echo "unit programs: $n, failed so far: $failed"

for t in tests/fuzz/fuzz_*.c; do
	t=$(basename "$t" .c)
	suite "$t" "$build/tests/fuzz/$t" "tests/fuzz/corpus/${t#fuzz_}"
done

suite "store on PostgreSQL" tests/lib/with_postgres.sh \
	"$build/tests/unit/test_store"

"$python" -m pytest -q -n "${PYTEST_WORKERS:-3}" --dist loadscope \
	-p no:cacheprovider ${PYTEST_ARGS:-} tests/e2e
[ $? -eq 0 ] || failed=$((failed + 1))

echo "suites failed: $failed"
[ "$failed" -eq 0 ]
