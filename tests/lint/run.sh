#!/bin/bash
# House rules as programs. Ends non-zero when one is broken.
set -u
cd "$(dirname "$0")/../.."
bad=0
check() {
	local name=$1
	shift
	if out=$("$@" 2>&1); then
		echo "ok: $name"
	else
		echo "FAILED: $name"
		printf '%s\n' "$out" | head -60
		bad=1
	fi
}

sources=$(git ls-files 'gitgate/*.c' 'gitgate/*.h' 'tests/unit/*.[ch]' 'tests/fuzz/*.[ch]')
code=$(git ls-files 'gitgate/*/*.c' 'gitgate/*/*.h')
check format clang-format --dry-run -Werror $sources
check floors awk -f tests/lint/floors.awk $code
check "function length, house names" awk -f tests/lint/functions.awk $code
make -s -j2 all
check "links and hardening" sh tests/lint/links.sh build
check cppcheck cppcheck --quiet --error-exitcode=1 --inline-suppr \
	--std=c11 --enable=warning,portability --suppress=missingIncludeSystem \
	--suppress=normalCheckLevelMaxBranches --suppress=uninitvar \
	--suppress=ctunullpointer --suppress=nullPointer \
	-j2 -Igitgate --library=posix --max-configs=1 gitgate
check clang-tidy tests/lint/tidy.sh
check "shell scripts" bash -n tests/run.sh scripts/*.sh tests/lint/*.sh .ci/run
exit $bad
