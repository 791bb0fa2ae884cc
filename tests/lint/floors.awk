# Floors: a file includes headers of its own folder and of lower floors only;
# a third-party header has its homes (docs/architecture.md).
#
#	awk -f tests/lint/floors.awk gitgate/*/*.[ch]
BEGIN {
	split("base:1 config:2 crypto:2 ipc:2 sandbox:2 model:3 audit:4 " \
	    "hold:4 identity:4 policy:4 proto:4 provenance:5 pack:5 scan:4 mirror:5 store:5 " \
	    "upstream:5 outgoing:5 saml:5 http:6 web:6 role:7 cli:8", pairs, " ")
	for (i in pairs) {
		split(pairs[i], p, ":")
		floor[p[1]] = p[2]
	}
	# sideways, with the reason in docs/architecture.md
	sideways["config>ipc"] = sideways["web>http"] = 1
	home["git2.h"] = "pack mirror"
	home["zlib.h"] = "pack mirror proto identity saml scan"
	home["hs/hs.h"] = home["pcre2.h"] = "scan"
	home["microhttpd.h"] = "http"
	home["gnutls/gnutls.h"] = home["gnutls/x509.h"] = "http"
	home["gnutls/abstract.h"] = "http"
	home["sqlite3.h"] = home["libpq-fe.h"] = "store"
	home["curl/curl.h"] = "upstream outgoing cli"
	home["yaml.h"] = "config"
	home["qrencode.h"] = "web"
	home["argon2.h"] = "crypto"
	home["seccomp.h"] = "sandbox"
	home["linux/landlock.h"] = "sandbox"
	home["jansson.h"] = "audit hold identity policy provenance proto saml " \
	    "store web role cli"
}
FNR == 1 {
	n = split(FILENAME, part, "/")
	folder = part[n - 1]
	if (!(folder in floor)) {
		print FILENAME ": folder " folder " has no floor"
		bad = 1
	}
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, q, "\"")
	if (split(q[2], to, "/") != 2) {
		print FILENAME ":" FNR ": include \"" q[2] "\" without its folder"
		bad = 1
		next
	}
	if (to[1] == folder || floor[to[1]] < floor[folder] ||
	    ((folder ">" to[1]) in sideways))
		next
	# interfaces that a lower floor's fixed header names
	print FILENAME ":" FNR ": " folder " (floor " floor[folder] \
	    ") includes " q[2] " (floor " floor[to[1]] ")"
	bad = 1
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	header = $0
	sub(/^[^<]*</, "", header)
	sub(/>.*/, "", header)
	place = header ~ /^openssl\// ? "crypto" : \
	    header ~ /^uni(case|norm|str|type|types)\.h$/ ? "policy" : \
	    header ~ /^(lasso|libxml|xmlsec|glib)\// ? "saml" : \
	    header ~ /^git2\// ? "pack mirror" : home[header]
	if (place != "" && index(" " place " ", " " folder " ") == 0) {
		print FILENAME ":" FNR ": <" header "> belongs in " place
		bad = 1
	}
}
END { exit bad }
