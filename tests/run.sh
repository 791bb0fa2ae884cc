#!/bin/bash
# Every test: units, replayed fuzz corpora, both stores, end to end.
#
#	tests/run.sh [BUILD_DIR]
#
# BUILD_DIR: build (default) or build/san. Prints each runner's closing line,
# all that a failing one said, and the number of suites that failed; ends
# with 1 if there was any. TEST_JOBS: unit programs at a time (2).
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
export GITGATE_BUILD=$PWD/$build
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0:handle_abort=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
python=/usr/bin/python3
# Roles are not dumpable, so the leak checker cannot look into them: leaks are
# looked for in the unit programs.
e2e_asan=$ASAN_OPTIONS
case $build in
*san)
	export GITGATE_SAN=1
	e2e_asan=detect_leaks=0
	;;
esac
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
export build log

# suite NAME COMMAND...: its closing line, or all it said and a mark.
suite() {
	local name=$1 out=$log/$1.out
	shift
	if "$@" >"$out" 2>&1 && grep -qE 'PASSED|passed' "$out"; then
		echo "$name: $(grep -E 'PASSED|passed' "$out" | tail -1)"
	else
		touch "$log/$name.failed"
		(
			flock 9
			echo "FAILED: $name"
			tail -n 200 "$out"
		) 9>"$log/lock"
	fi
}
program() {
	case $1 in
	fuzz_*) suite "$1" "$build/tests/fuzz/$1" "tests/fuzz/corpus/${1#fuzz_}" ;;
	*-on-PostgreSQL)
		suite "$1" tests/lib/with_postgres.sh \
			"$build/tests/unit/${1%-on-PostgreSQL}"
		;;
	*) suite "$1" "$build/tests/unit/$1" ;;
	esac
}
export -f suite program

# The longest ones first.
{
	printf '%s-on-PostgreSQL\n' test_store test_audit_query
	for t in tests/unit/test_*.c tests/fuzz/fuzz_*.c; do
		basename "$t" .c
	done
} >"$log/programs"
xargs -a "$log/programs" -P "${TEST_JOBS:-2}" -I{} bash -c 'program {}'
echo "unit programs and replays: $(wc -l <"$log/programs")"

ASAN_OPTIONS=$e2e_asan "$python" -m pytest -q -n "${PYTEST_WORKERS:-3}" --dist loadscope \
	-p no:cacheprovider ${PYTEST_ARGS:-} tests/e2e ||
	touch "$log/end-to-end.failed"

failed=$(find "$log" -name '*.failed' | wc -l)
for f in "$log"/*.failed; do
	[ ! -e "$f" ] || echo "failed: $(basename "$f" .failed)"
done
echo "suites failed: $failed"
[ "$failed" -eq 0 ]
