# gitgate: GNU make, pkg-config, nothing generated.
#
#   make            the executables, in build/
#   make demo       install what is missing, build, run the main job
#   make test       install what the tests need, build, run every test
#   make lint       format, floors, banned names, function length, analysers
#   make fuzz       run the fuzzers (FUZZ_SECONDS=10 each)
#   make bench      ratios against pushing directly
#   make install    DESTDIR= PREFIX=/usr/local
#
# Variables: CC, WERROR=1, SAN=1 (address + undefined), FAILPOINTS=1 (crash
# tests), FUZZ=1 (what make fuzz builds; needs CC=clang), B= (build directory).

.DEFAULT_GOAL := all
CC ?= cc
COMMA := ,
VARIANT := $(if $(FUZZ),fuzz,$(if $(SAN),san,$(if $(FAILPOINTS),fp,)))
SANITIZERS := $(if $(FUZZ),fuzzer-no-link$(COMMA))address,undefined
B ?= build$(if $(VARIANT),/$(VARIANT))
PREFIX ?= /usr/local
VERSION := 0.1.0

PKGS := libgit2 libmicrohttpd gnutls libssl libcrypto jansson libcurl sqlite3 libpq \
	yaml-0.1 librnp libseccomp libargon2 zlib libhs libpcre2-8 libqrencode

probe = $(shell echo 'extern int p; int p;' | $(CC) -Werror -Wall $(1) -O2 \
	-x c -c - -o /dev/null 2>/dev/null && echo $(1))

WANTED := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
	-Wformat=2 -Wformat-signedness -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wvla -Wundef \
	-Wwrite-strings -Wcast-qual -Wcast-align -Wpointer-arith \
	-Wimplicit-fallthrough -Wswitch-enum -Wnull-dereference \
	-Wdouble-promotion -Wdate-time -Wlogical-op -Wduplicated-cond \
	-Wduplicated-branches -Walloc-zero -Wtrampolines -Wjump-misses-init \
	-Wformat-overflow=2 -Wshift-overflow=2 \
	-Wuse-after-free=3 -Wbidi-chars=any -Wcomma \
	-Wconditional-uninitialized -Wassign-enum -Wextra-semi-stmt \
	-Wloop-analysis -Wenum-conversion -Wshorten-64-to-32 \
	-Werror=implicit-function-declaration -Werror=format-security \
	-Werror=incompatible-pointer-types -Werror=int-conversion \
	-Werror=return-type -Werror=unused-result

HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection \
	-ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr \
	-fno-strict-aliasing -fno-strict-overflow \
	-fno-delete-null-pointer-checks -fno-common \
	-fcf-protection=full -mbranch-protection=standard

# The included file's own rule stands first.
.DEFAULT_GOAL := all

# Probing costs a compiler run per flag: keep the answer per compiler.
FLAGFILE := build/flags.$(subst /,_,$(CC)).mk
ifneq ($(MAKECMDGOALS),clean)
-include $(FLAGFILE)
endif
$(FLAGFILE): Makefile
	@mkdir -p build
	@echo 'PROBED := $(foreach f,$(WANTED) $(HARDEN),$(call probe,$(f)))' >$@

CPPFLAGS += -D_GNU_SOURCE -Igitgate -DGG_VERSION='"$(VERSION)"' \
	-DGG_LIBEXECDIR='"$(PREFIX)/lib/gitgate"' \
	$(if $(FAILPOINTS),-DGG_FAILPOINTS) $(if $(SAN)$(FUZZ),-DGG_SANITIZE) \
	-include base/banned.h
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lunistring -lm
# For gitgate/saml and its tests only: their headers define macros.
SAML_PKGS := lasso xmlsec1-openssl gobject-2.0 libxml-2.0
SAML_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags \
	$(SAML_PKGS) 2>/dev/null))
PKG_LIBS += $(shell pkg-config --libs $(SAML_PKGS) 2>/dev/null)
CFLAGS += -std=gnu17 -g -pthread $(PROBED) $(if $(WERROR),-Werror) \
	$(if $(SAN)$(FUZZ),-O1 -fsanitize=$(SANITIZERS) \
	-fno-sanitize-recover=all -fno-omit-frame-pointer, \
	-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3) \
	-ffunction-sections -fdata-sections
LDFLAGS += -pie -pthread -Wl,-z,relro,-z,now,-z,noexecstack \
	-Wl,--as-needed -Wl,--gc-sections \
	$(if $(SAN)$(FUZZ),-fsanitize=$(SANITIZERS))

FOLDERS := base config crypto ipc sandbox model proto policy provenance hold audit \
	identity scan pack mirror store upstream outgoing saml http web role cli
MAINS := gitgate/cli/gitgate.c gitgate/role/gate_main.c \
	gitgate/role/inspector_main.c gitgate/role/courier_main.c \
	gitgate/role/hook_main.c gitgate/role/messenger_main.c \
	gitgate/role/saml_main.c gitgate/role/witness_main.c
SRCS := $(filter-out $(MAINS),$(wildcard $(FOLDERS:%=gitgate/%/*.c)))
OBJS := $(SRCS:%.c=$B/obj/%.o)
LIB := $B/libgitgate.a
PROGRAMS := $B/gitgate $B/gitgate-gate $B/gitgate-inspector \
	$B/gitgate-courier $B/gitgate-hook $B/gitgate-messenger \
	$B/gitgate-saml $B/gitgate-witness

# V=1 shows the commands.
Q := $(if $(V),,@)

all: $(PROGRAMS)

$B/obj/%.o: %.c | $(FLAGFILE)
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CC $@')
	$Q$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The assembler takes these files in; its own rule does not know them.
$B/obj/gitgate/web/assets.o: $(wildcard gitgate/web/assets/*)

# Roles are linked from one archive: each takes the objects it refers to and
# so the libraries that those need (tests/lint/links.sh reads the result).
$(LIB): $(OBJS)
	$Qrm -f $@ && ar rcs $@ $^

link = $(if $(V),,@echo '  LD $@';) $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIB) $(PKG_LIBS)
$B/gitgate: $B/obj/gitgate/cli/gitgate.o $(LIB)
	$(link)
$B/gitgate-gate: $B/obj/gitgate/role/gate_main.o $(LIB)
	$(link)
$B/gitgate-inspector: $B/obj/gitgate/role/inspector_main.o $(LIB)
	$(link)
$B/gitgate-courier: $B/obj/gitgate/role/courier_main.o $(LIB)
	$(link)
$B/gitgate-hook: $B/obj/gitgate/role/hook_main.o $(LIB)
	$(link)
$B/gitgate-messenger: $B/obj/gitgate/role/messenger_main.o $(LIB)
	$(link)
$B/gitgate-saml: $B/obj/gitgate/role/saml_main.o $(LIB)
	$(link)
$B/gitgate-witness: $B/obj/gitgate/role/witness_main.o $(LIB)
	$(link)
$B/obj/gitgate/saml/%.o $B/tests/unit/test_saml $B/tests/fuzz/fuzz_saml \
    $B/fuzzers/fuzz_saml: CFLAGS += $(SAML_CFLAGS)
# glib's headers use alloca()
$B/obj/gitgate/saml/second_reader.o: CPPFLAGS += -DGG_ALLOW_BANNED

# Unit tests: tests/unit/test_*.c, one cmocka program each.
UNIT_SRCS := $(wildcard tests/unit/test_*.c)
UNITS := $(UNIT_SRCS:%.c=$B/%)
$B/tests/unit/%: tests/unit/%.c $(LIB) | $(FLAGFILE)
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CC $@')
	$Q$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) -MMD -MP \
	    -o $@ $< $(LIB) $(PKG_LIBS) -lcmocka
units: $(UNITS)

# What a benchmark fills a log with.
$B/tests/bench/fill: tests/bench/fill.c $(LIB) | $(FLAGFILE)
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CC $@')
	$Q$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(LIB) $(PKG_LIBS)

# Fuzz targets: with a driver that replays the corpus (every test run), or
# with libFuzzer (make fuzz).
FUZZ_SRCS := $(wildcard tests/fuzz/fuzz_*.c)
REPLAYS := $(FUZZ_SRCS:tests/fuzz/%.c=$B/tests/fuzz/%)
$B/tests/fuzz/%: tests/fuzz/%.c tests/fuzz/replay.c $(LIB) | $(FLAGFILE)
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CC $@')
	$Q$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) \
	    -o $@ $< tests/fuzz/replay.c $(LIB) $(PKG_LIBS)
replays: $(REPLAYS)

# What a test run needs; the crash tests have a build of their own, in which
# processes can be killed at named places.
tested: all units replays
crash-build:
	$(MAKE) FAILPOINTS=1 all

# Without the packages of scripts/npm.sh the tests that need them fail.
test:
	scripts/packages.sh build test
	-scripts/npm.sh
	$(MAKE) tested crash-build
	tests/run.sh $B

# The same suites under the address and undefined behaviour sanitizers.
test-san:
	scripts/packages.sh build test
	-scripts/npm.sh
	$(MAKE) SAN=1 tested
	tests/run.sh build/san

demo:
	scripts/packages.sh build demo
	$(MAKE) all
	scripts/demo.sh
demo-stop:
	scripts/demo.sh stop

lint:
	scripts/packages.sh build test lint
	tests/lint/run.sh

# Each fuzz target for FUZZ_SECONDS with libFuzzer, from its corpus; what it
# finds to be new is kept in build/fuzz/corpus.
FUZZ_SECONDS ?= 10
FUZZERS := $(FUZZ_SRCS:tests/fuzz/%.c=$B/fuzzers/%)
$B/fuzzers/%: tests/fuzz/%.c $(LIB) | $(FLAGFILE)
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CC $@')
	$Q$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(filter-out -Wmissing-prototypes,$(CFLAGS)) \
	    -fsanitize=fuzzer -o $@ $< $(LIB) $(PKG_LIBS)
fuzzers: $(FUZZERS)
fuzz:
	scripts/packages.sh build fuzz
	$(MAKE) FUZZ=1 CC=clang fuzzers
	tests/fuzz/run.sh build/fuzz $(FUZZ_SECONDS)

bench: all $B/tests/bench/fill
	scripts/packages.sh build test
	/usr/bin/python3 tests/bench/run.py
	/usr/bin/python3 tests/bench/page.py
	/usr/bin/python3 tests/bench/audit.py

# The roles lie in PREFIX/lib/gitgate, and gitgate in PREFIX/bin finds them
# there whatever PREFIX was when it was built.
LIBEXEC := $(DESTDIR)$(PREFIX)/lib/gitgate
SHARE := $(DESTDIR)$(PREFIX)/share
EXAMPLE_DIRS := $(shell find examples -type d)
UNITDIR ?= $(PREFIX)/lib/systemd/system
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(LIBEXEC) $(SHARE)/man/man1 \
	    $(SHARE)/man/man5 $(SHARE)/doc/gitgate/policy.d \
	    $(SHARE)/doc/gitgate/docs/screenshots $(EXAMPLE_DIRS:%=$(SHARE)/doc/gitgate/%) \
	    $(SHARE)/gitgate/hooks $(SHARE)/gitgate/client \
	    $(DESTDIR)$(UNITDIR) $(DESTDIR)$(PREFIX)/lib/sysusers.d \
	    $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	install -m 755 $B/gitgate $B/gitgate-witness $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $B/gitgate-gate $B/gitgate-inspector \
	    $B/gitgate-courier $B/gitgate-hook $B/gitgate-messenger $B/gitgate-saml \
	    $(LIBEXEC)/
	install -m 644 man/*.1 $(SHARE)/man/man1/
	install -m 644 man/*.5 $(SHARE)/man/man5/
	install -m 644 policy.d/*.yaml policy.d/*.toml policy.d/*.json \
	    $(SHARE)/doc/gitgate/policy.d/
	for d in $(EXAMPLE_DIRS); do \
	    find $$d -maxdepth 1 -type f -exec install -m 644 -t \
		$(SHARE)/doc/gitgate/$$d {} + || exit 1; done
	install -m 755 $(filter-out hooks/client,$(wildcard hooks/*)) \
	    $(SHARE)/gitgate/hooks/
	install -m 755 hooks/client/* $(SHARE)/gitgate/client/
	install -m 644 README.md $(SHARE)/doc/gitgate/
	install -m 644 docs/*.md $(SHARE)/doc/gitgate/docs/
	install -m 644 docs/screenshots/*.png \
	    $(SHARE)/doc/gitgate/docs/screenshots/
	for u in gitgate.service gitgate-witness.service; do \
	    sed 's,@BINDIR@,$(PREFIX)/bin,' systemd/$$u \
		>$(DESTDIR)$(UNITDIR)/$$u && \
	    chmod 644 $(DESTDIR)$(UNITDIR)/$$u || exit 1; done
	install -m 644 systemd/sysusers.conf \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d/gitgate.conf
	install -m 644 systemd/tmpfiles.conf \
	    $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/gitgate.conf

-include $(OBJS:.o=.d) $(MAINS:%.c=$B/obj/%.d) $(UNITS:=.d)

clean:
	rm -rf build

.PHONY: all units replays tested crash-build test test-san demo demo-stop lint fuzz fuzzers \
	bench install clean
.DELETE_ON_ERROR:
.SECONDARY:
