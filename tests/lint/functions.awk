# No function longer than 100 lines, no file longer than 800; and what only
# base may do: raw malloc of a product, exit outside role and cli.
function end_of_file() {
	if (last != "" && lines > 800) {
		print last ": " lines " lines, at most 800"
		bad = 1
	}
}
FNR == 1 {
	end_of_file()
	last = FILENAME
	inside = 0
}
{ lines = FNR }
/^\{/ { inside = 1; start = FNR }
/^\}/ && inside {
	if (FNR - start > 100) {
		print FILENAME ":" start ": a function of " FNR - start \
		    " lines, at most 100"
		bad = 1
	}
	inside = 0
}
/malloc\([^()]*\*/ && !/sizeof\(\*/ && FILENAME !~ /\/base\// {
	print FILENAME ":" FNR ": malloc of a product: use reallocarray or calloc"
	bad = 1
}
/[^_a-z]exit\(/ && FILENAME !~ /gitgate\/(role|cli|base)\// && !/_exit\(/ {
	print FILENAME ":" FNR ": only role and cli end a process"
	bad = 1
}
/[^_a-z](strtoul|strtoull|ctime)\(/ {
	print FILENAME ":" FNR ": banned: parse with base/num.h, base/clock.h"
	bad = 1
}
/(TODO|FIXME|(^|[^X])XXX([^X]|$))/ {
	print FILENAME ":" FNR ": unfinished work"
	bad = 1
}
END {
	end_of_file()
	exit bad
}
