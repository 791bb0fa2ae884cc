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
# resourceLeak, memleak: cppcheck does not know the cleanup attribute, which
# closes and frees here; LeakSanitizer looks for leaks in the sanitizer build.
check cppcheck cppcheck --quiet --error-exitcode=1 --inline-suppr -j2 \
	--std=c11 --enable=warning --suppress=missingIncludeSystem \
	--suppress=resourceLeak --suppress=memleak --max-configs=1 \
	--library=posix --library=tests/lint/cppcheck.cfg -Igitgate gitgate
check clang-tidy tests/lint/tidy.sh
parse_scripts() {
	local f ok=0
	for f in $(git ls-files '*.sh' .ci/run); do
		bash -n "$f" || ok=1
	done
	return $ok
}
check "shell scripts" parse_scripts
exit $bad
