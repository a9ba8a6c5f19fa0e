# Tests. All speak TAP; every program and script here can also be run by hand from the build tree.
TEST_LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(TEST_LOG_DRIVER)
PY_LOG_DRIVER = $(TEST_LOG_DRIVER)
PY_LOG_COMPILER = $(PYTHON)
TEST_EXTENSIONS = .py
AM_TESTS_ENVIRONMENT = \
	LOCKJAM_TEST_SRCDIR='$(abs_top_srcdir)'; export LOCKJAM_TEST_SRCDIR; \
	LOCKJAM_TEST_BUILDDIR='$(abs_top_builddir)'; export LOCKJAM_TEST_BUILDDIR; \
	PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE;

# --- unit tests: one program, one file per module, one line each in suites.def ----------------
UNIT_CFLAGS = $(AM_CFLAGS) $(ELF_CFLAGS) $(CUNIT_CFLAGS) $(JSON_CFLAGS)
UNIT_LIBS = $(CUNIT_LIBS) $(ELF_LIBS) $(UNPACK_LIBS) $(JSON_LIBS) $(DEMANGLE_LIBS)
if HAVE_CUNIT
check_PROGRAMS += tests/unit/unit
TESTS += tests/unit/unit
endif
tests_unit_unit_CFLAGS = $(UNIT_CFLAGS)
tests_unit_unit_LDADD = cli/libcli.a collector/libcollector.a $(UNIT_LIBS)
tests_unit_unit_SOURCES = \
	tests/unit/core.c \
	tests/unit/graph.c \
	tests/unit/kernel_locks.c \
	tests/unit/analysis.c \
	tests/unit/analysis_blocked.c \
	tests/unit/analysis_cycle.c \
	tests/unit/analysis_race.c \
	tests/unit/analysis_fixture.h \
	tests/unit/analysis_signals.c \
	tests/unit/analysis_handlers.c \
	tests/unit/analysis_lost.c \
	tests/unit/analysis_order.c \
	tests/unit/arch.c \
	tests/unit/argument_expression.c \
	tests/unit/argument_value.c \
	tests/unit/lookup.c \
	tests/unit/main.c \
	tests/unit/merge.c \
	preload/lookup.c \
	preload/lookup.h \
	preload/range.c \
	preload/range.h \
	tests/unit/range.c \
	tests/unit/render_fixture.c \
	tests/unit/render_fixture.h \
	tests/unit/render_json.c \
	tests/unit/render_text.c \
	tests/unit/proc.c \
	tests/unit/sampling.c \
	tests/unit/segment_fixture.c \
	tests/unit/segment_fixture.h \
	tests/unit/segment_read.c \
	tests/unit/stack.c \
	tests/unit/symbol.c \
	tests/unit/thread_futex.c \
	tests/unit/session.c \
	tests/unit/thread_lock.c \
	tests/unit/suites.def \
	tests/unit/unit.c \
	tests/unit/unit.h \
	tests/unit/analysis_hold.c \
	tests/unit/wait_graph.c \
	tests/unit/waits.c

# --- victims: programs in one known state, and their innocent twins ----------------------------
VICTIMS = \
	tests/victims/abba-flock \
	tests/victims/abba-flock-ordered \
	tests/victims/abba-mutex \
	tests/victims/abba-shared \
	tests/victims/alone-flock \
	tests/victims/alone-lockf \
	tests/victims/alone-ofd \
	tests/victims/alone-posix \
	tests/victims/altstack \
	tests/victims/altstack-held \
	tests/victims/cancelled-waits \
	tests/victims/churn \
	tests/victims/clean-daemon \
	tests/victims/close-drops \
	tests/victims/close-keeps \
	tests/victims/counting \
	tests/victims/crowd \
	tests/victims/deliveries \
	tests/victims/ended-owner \
	tests/victims/every-lock \
	tests/victims/every-unsafe \
	tests/victims/every-wrapper \
	tests/victims/exec-signals \
	tests/victims/exec-closes \
	tests/victims/exec-keeps \
	tests/victims/flock-handed-back \
	tests/victims/flock-inherited \
	tests/victims/futex-waits \
	tests/victims/forked-in-handler \
	tests/victims/handler-calls \
	tests/victims/handler-flags \
	tests/victims/handler-flags-meant \
	tests/victims/handler-posix \
	tests/victims/handler-safe \
	tests/victims/handler-told \
	tests/victims/handler-why \
	tests/victims/headless \
	tests/victims/heap-crash \
	tests/victims/in-vdso \
	tests/victims/heap-single \
	tests/victims/heap-single-nopie \
	tests/victims/heap-threaded \
	tests/victims/held-back \
	tests/victims/in-stdio \
	tests/victims/inlined \
	tests/victims/interrupted-accept \
	tests/victims/jump-harmless \
	tests/victims/jump-out \
	tests/victims/left-handlers \
	tests/victims/lock-in-handler \
	tests/victims/longjmp-out \
	tests/victims/many-sites \
	tests/victims/moments \
	tests/victims/nested \
	tests/victims/nested-deep \
	tests/victims/orders \
	tests/victims/outside-handlers \
	tests/victims/own-unsafe \
	tests/victims/own-unsafe-now \
	tests/victims/polling \
	tests/victims/polling-ended \
	tests/victims/protected \
	tests/victims/queue \
	tests/victims/racing \
	tests/victims/ranges-posix \
	tests/victims/readers-posix \
	tests/victims/recorded-waits \
	tests/victims/reset-again \
	tests/victims/many-handlers \
	tests/victims/reset-hup \
	tests/victims/restarted-accept \
	tests/victims/restarted-pipe \
	tests/victims/ring-mixed \
	tests/victims/ring-of \
	tests/victims/ring-posix \
	tests/victims/running \
	tests/victims/shared-mutex \
	tests/victims/sigpipe \
	tests/victims/stall \
	tests/victims/stopper \
	tests/victims/storm \
	tests/victims/unwinding \
	tests/victims/unreaped \
	tests/victims/unreaped-ignored \
	tests/victims/unreaped-soon \
	tests/victims/upgrade-posix \
	tests/victims/vforking \
	tests/victims/sync-handlers \
	tests/victims/together \
	tests/victims/wait-flock \
	tests/victims/wait-lockf \
	tests/victims/wait-ofd \
	tests/victims/wait-posix
check_PROGRAMS += $(VICTIMS)
EXTRA_DIST += tests/victims/victim.h tests/victims/handler.h tests/victims/wait.h tests/victims/alone.h tests/victims/threads.h \
	tests/victims/wait-posix32.S \
	tests/victims/swallow.h tests/victims/children.h

tests_victims_own_unsafe_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_victims_own_unsafe_LDFLAGS = -Wl,-z,lazy
tests_victims_own_unsafe_LDADD = -lm
tests_victims_own_unsafe_now_SOURCES = tests/victims/own-unsafe.c
tests_victims_own_unsafe_now_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_victims_own_unsafe_now_LDFLAGS = -Wl,-z,now -Wl,-z,relro
tests_victims_own_unsafe_now_LDADD = -lm
# Calls, not what the compiler knows of them.
tests_victims_handler_posix_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_victims_heap_single_nopie_SOURCES = tests/victims/heap-single.c
tests_victims_heap_single_nopie_CFLAGS = $(AM_CFLAGS) -fno-pie
tests_victims_heap_single_nopie_LDFLAGS = -no-pie
tests_victims_inlined_CFLAGS = $(AM_CFLAGS) -O2
tests_victims_heap_threaded_LDADD = -lpthread
tests_victims_abba_mutex_LDADD = -lpthread
tests_victims_abba_shared_LDADD = -lpthread
tests_victims_ended_owner_LDADD = -lpthread
tests_victims_every_lock_LDADD = -lpthread
tests_victims_cancelled_waits_LDADD = -lpthread
tests_victims_recorded_waits_LDADD = -lpthread
tests_victims_churn_LDADD = -lpthread
tests_victims_clean_daemon_LDADD = -lpthread
tests_victims_counting_LDADD = -lpthread
tests_victims_crowd_LDADD = -lpthread
tests_victims_deliveries_LDADD = -lpthread
tests_victims_headless_LDADD = -lpthread
# Functions are bound at their first call, whatever the compiler's default.
tests_victims_moments_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_victims_moments_LDFLAGS = -Wl,-z,lazy
tests_victims_moments_LDADD = -lpthread
tests_victims_orders_LDADD = -lpthread
tests_victims_stall_LDADD = -lpthread
tests_victims_stall_CFLAGS = $(AM_CFLAGS) -O0
tests_victims_running_LDADD = -lpthread
tests_victims_together_LDADD = -lpthread
tests_victims_shared_mutex_LDADD = -lpthread
tests_victims_futex_waits_LDADD = -lpthread
tests_victims_unwinding_LDADD = -lpthread
if HAVE_JEMALLOC
check_PROGRAMS += tests/victims/deliveries-jemalloc
tests_victims_deliveries_jemalloc_SOURCES = tests/victims/deliveries.c
tests_victims_deliveries_jemalloc_LDADD = -l:libjemalloc.so.2 -lpthread
endif
if HAVE_CXX
check_PROGRAMS += tests/victims/cxx tests/victims/deliveries-cxx tests/victims/thrown-out
tests_victims_deliveries_cxx_SOURCES = tests/victims/deliveries.c tests/victims/deliveries-work.cc
tests_victims_deliveries_cxx_CPPFLAGS = $(AM_CPPFLAGS) -DIS_CXX
tests_victims_deliveries_cxx_LDADD = -lpthread
tests_victims_cxx_SOURCES = tests/victims/cxx.cc
tests_victims_thrown_out_SOURCES = tests/victims/thrown-out.cc
tests_victims_thrown_out_CXXFLAGS = $(AM_CXXFLAGS) -fnon-call-exceptions
endif

# --- transparency: tables of calls that must not differ under the shim ----------------------------
check_PROGRAMS += \
	tests/transparency/dispositions \
	tests/transparency/fcntl \
	tests/transparency/functions \
	tests/transparency/functions-fortified \
	tests/transparency/interrupt \
	tests/transparency/invalid \
	tests/transparency/limits \
	tests/transparency/privileged \
	tests/transparency/processes \
	tests/transparency/signals
EXTRA_DIST += tests/transparency/table.h
tests_transparency_functions_fortified_SOURCES = tests/transparency/functions.c
tests_transparency_functions_fortified_CPPFLAGS = $(AM_CPPFLAGS) -U_FORTIFY_SOURCE \
	-D_FORTIFY_SOURCE=2
tests_transparency_functions_fortified_CFLAGS = $(AM_CFLAGS) -O2
if HAVE_STATIC_PIE
check_PROGRAMS += tests/transparency/static-pie
tests_transparency_static_pie_CFLAGS = $(AM_CFLAGS) -fPIE
# Not libtool's -static: the whole program, without a loader.
tests_transparency_static_pie_LDFLAGS = -static-pie
tests_transparency_static_pie_LINK = $(CC) $(CFLAGS) $(tests_transparency_static_pie_LDFLAGS) -o $@
endif

# --- arguments of frames, beside gdb's ------------------------------------------------------------
check_PROGRAMS += tests/arguments/frames
tests_arguments_frames_CFLAGS = $(AM_CFLAGS) $(ELF_CFLAGS)
tests_arguments_frames_LDADD = collector/libcollector.a $(ELF_LIBS) $(UNPACK_LIBS) $(DEMANGLE_LIBS)
# Compiled by the test, at every level of optimisation.
EXTRA_DIST += \
	tests/arguments/calls.c \
	tests/arguments/library.c \
	tests/arguments/objects.cc \
	tests/arguments/places.c \
	tests/arguments/rust.rs \
	tests/arguments/values.c

# --- loading into a running process ---------------------------------------------------------------
check_PROGRAMS += tests/inject/blocked tests/inject/busy tests/inject/injector
check_LTLIBRARIES += tests/inject/libdoor.la tests/inject/libkiller.la tests/inject/liblockjam.la
tests_inject_busy_CFLAGS = $(AM_CFLAGS) -O2
tests_inject_busy_LDADD = -lpthread
if HAVE_STATIC_PIE
check_PROGRAMS += tests/inject/blocked-static
tests_inject_blocked_static_SOURCES = tests/inject/blocked.c
tests_inject_blocked_static_CPPFLAGS = $(AM_CPPFLAGS) -DIS_STATIC
tests_inject_blocked_static_CFLAGS = $(AM_CFLAGS) -fPIE
tests_inject_blocked_static_LDFLAGS = -static-pie
tests_inject_blocked_static_LINK = $(CC) $(CFLAGS) $(tests_inject_blocked_static_LDFLAGS) -o $@
endif
tests_inject_libdoor_la_SOURCES = tests/inject/door.c
tests_inject_libdoor_la_LDFLAGS = -module -shared -avoid-version -rpath $(abs_builddir)
tests_inject_libkiller_la_SOURCES = tests/inject/killer.c
tests_inject_libkiller_la_LDFLAGS = -module -shared -avoid-version -rpath $(abs_builddir)
tests_inject_liblockjam_la_SOURCES = tests/inject/standin.c
tests_inject_liblockjam_la_LDFLAGS = -module -shared -avoid-version -rpath $(abs_builddir) -Wl,-z,nodelete
tests_inject_injector_CFLAGS = $(AM_CFLAGS) $(ELF_CFLAGS)
tests_inject_injector_LDADD = collector/libcollector.a $(ELF_LIBS) $(UNPACK_LIBS) $(DEMANGLE_LIBS)
# --- threads that are stopped and copied -----------------------------------------------------------
check_PROGRAMS += tests/stopping/copier
tests_stopping_copier_CFLAGS = $(AM_CFLAGS) $(ELF_CFLAGS)
tests_stopping_copier_LDADD = collector/libcollector.a $(ELF_LIBS) $(UNPACK_LIBS) $(DEMANGLE_LIBS)

# --- the shim in a program that runs already: a busy program, recorded and not in turn -----------------
ROUNDS_SOURCES = tests/latch/checks.c tests/latch/rounds.c tests/latch/rounds.h tests/latch/workers.c
BOUND_NOW = -Wl,-z,now -Wl,-z,relro
BOUND_LATE = -Wl,-z,lazy -Wl,-z,norelro
PLUGIN = -module -shared -avoid-version -rpath $(abs_builddir)
check_PROGRAMS += tests/latch/rounds-now tests/latch/rounds-lazy
tests_latch_rounds_now_SOURCES = $(ROUNDS_SOURCES)
tests_latch_rounds_now_LDFLAGS = $(BOUND_NOW) -Wl,-rpath,'$$ORIGIN/.libs'
tests_latch_rounds_now_LDADD = -lpthread
tests_latch_rounds_lazy_SOURCES = $(ROUNDS_SOURCES)
tests_latch_rounds_lazy_LDFLAGS = $(BOUND_LATE) -Wl,-rpath,'$$ORIGIN/.libs'
tests_latch_rounds_lazy_LDADD = -lpthread
check_LTLIBRARIES += tests/latch/plugin-now.la tests/latch/plugin-lazy.la
tests_latch_plugin_now_la_SOURCES = tests/latch/plugin.c
tests_latch_plugin_now_la_LDFLAGS = $(PLUGIN) $(BOUND_NOW)
tests_latch_plugin_lazy_la_SOURCES = tests/latch/plugin.c
tests_latch_plugin_lazy_la_LDFLAGS = $(PLUGIN) $(BOUND_LATE)
check_LTLIBRARIES += tests/latch/opener.la
tests_latch_opener_la_SOURCES = tests/latch/opener.c
tests_latch_opener_la_LDFLAGS = $(PLUGIN)
if HAVE_CXX
check_LTLIBRARIES += tests/latch/plugin-throw.la
tests_latch_plugin_throw_la_SOURCES = tests/latch/throw.cc
tests_latch_plugin_throw_la_LDFLAGS = $(PLUGIN)
endif

# --- end to end ---------------------------------------------------------------------------------
TEST_LIBRARY = \
	tests/lib/__init__.py \
	tests/lib/actor.py \
	tests/lib/case.py \
	tests/lib/container.py \
	tests/lib/cyrus.py \
	tests/lib/dovecot.py \
	tests/lib/elf.py \
	tests/lib/gdb.py \
	tests/lib/hang.py \
	tests/lib/proc.py \
	tests/lib/segment.py \
	tests/lib/tap.py \
	tests/lib/views.py
E2E_TESTS = \
	tests/e2e/aarch64.py \
	tests/e2e/arguments.py \
	tests/e2e/command.py \
	tests/e2e/demo.py \
	tests/e2e/cores.py \
	tests/e2e/debugfiles.py \
	tests/e2e/deliveries.py \
	tests/e2e/run.py \
	tests/e2e/children.py \
	tests/e2e/dispositions.py \
	tests/e2e/handlerlocks.py \
	tests/e2e/handlers.py \
	tests/e2e/imports.py \
	tests/e2e/lethal.py \
	tests/e2e/inject.py \
	tests/e2e/kernel.py \
	tests/e2e/latch.py \
	tests/e2e/layering.py \
	tests/e2e/leases.py \
	tests/e2e/locks.py \
	tests/e2e/lost.py \
	tests/e2e/namespaces.py \
	tests/e2e/orders.py \
	tests/e2e/owners.py \
	tests/e2e/why.py \
	tests/e2e/privileged.py \
	tests/e2e/protection.py \
	tests/e2e/stacks.py \
	tests/e2e/storm.py \
	tests/e2e/sampling.py \
	tests/e2e/swallowed.py \
	tests/e2e/threads.py \
	tests/e2e/semantics.py \
	tests/e2e/stopping.py \
	tests/e2e/suppress.py \
	tests/e2e/transparency.py \
	tests/e2e/unsafe.py \
	tests/e2e/unwinding.py \
	tests/e2e/victims.py \
	tests/e2e/waits.py \
	tests/e2e/wrappers.py
EXTRA_DIST += $(TEST_LIBRARY) $(E2E_TESTS)
TESTS += $(E2E_TESTS)

# --- fuzzing of the segment reader ---------------------------------------------------------------
# `make check` replays the corpus; `make fuzz` runs libFuzzer for FUZZ_TIME seconds.
FUZZ_TIME = 60
FUZZ_CC = clang
FUZZ_CORPUS = \
	tests/fuzz/corpus/fixture.seg \
	tests/fuzz/corpus/future.seg \
	tests/fuzz/corpus/handler.seg \
	tests/fuzz/corpus/huge.seg \
	tests/fuzz/corpus/overlap.seg \
	tests/fuzz/corpus/torn.seg \
	tests/fuzz/corpus/truncated.seg \
	tests/fuzz/corpus/unterminated.seg \
	tests/fuzz/corpus/waiter.seg \
	tests/fuzz/corpus/wild.seg
EXTRA_DIST += tests/fixtures
EXTRA_DIST += $(FUZZ_CORPUS) tests/fuzz/compact.py
check_PROGRAMS += tests/fuzz/replay
TESTS += tests/fuzz/replay
tests_fuzz_replay_SOURCES = tests/fuzz/fuzz_segment.c tests/fuzz/replay.c
tests_fuzz_replay_LDADD = collector/libcollector.a $(ELF_LIBS) $(UNPACK_LIBS) $(DEMANGLE_LIBS)

# What the target runs through is built once more with the fuzzer's instrumentation; the rest comes
# from the library.
FUZZ_PARTS = tests/fuzz/fuzz_segment.c collector/source/gather.c collector/model/graph.c collector/model/index.c \
	collector/proc/kernel_locks.c collector/source/merge.c collector/source/merge_match.c collector/model/model.c \
	collector/proc/proc.c collector/segment/segment_load.c collector/source/segment_model.c collector/source/segment_lost.c collector/source/segment_order.c collector/segment/segment_read.c \
	collector/source/segment_story.c collector/source/select_reduce.c
tests/fuzz/fuzz_segment: $(FUZZ_PARTS) config.h collector/libcollector.a
	$(AM_V_at)$(MKDIR_P) tests/fuzz
	$(AM_V_CCLD)sources=; for f in $(FUZZ_PARTS); do sources="$$sources $(srcdir)/$$f"; done; \
	$(FUZZ_CC) -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -I$(srcdir) -I. -o $@ $$sources \
		collector/libcollector.a $(ELF_LIBS) $(UNPACK_LIBS) $(DEMANGLE_LIBS)
.PHONY: fuzz
fuzz: tests/fuzz/fuzz_segment
	@$(MKDIR_P) tests/fuzz/found
	tests/fuzz/fuzz_segment -max_total_time=$(FUZZ_TIME) -max_len=65536 -print_final_stats=1 \
		-verbosity=0 -artifact_prefix=tests/fuzz/ tests/fuzz/found $(srcdir)/tests/fuzz/corpus
	@echo "fuzz: $(FUZZ_TIME) seconds without a crash"
CLEANFILES += tests/fuzz/fuzz_segment
clean-local: clean-fuzz
.PHONY: clean-fuzz
clean-fuzz:
	-rm -rf tests/fuzz/found

# --- real programs ------------------------------------------------------------------------------
check_PROGRAMS += tests/servers/allocator-glibc
tests_servers_allocator_glibc_SOURCES = tests/servers/allocator.c
tests_servers_allocator_glibc_LDADD = -lpthread
if HAVE_JEMALLOC
check_PROGRAMS += tests/servers/allocator-jemalloc
tests_servers_allocator_jemalloc_SOURCES = tests/servers/allocator.c
tests_servers_allocator_jemalloc_LDADD = -l:libjemalloc.so.2 -lpthread
endif
if HAVE_TCMALLOC
check_PROGRAMS += tests/servers/allocator-tcmalloc
tests_servers_allocator_tcmalloc_SOURCES = tests/servers/allocator.c
tests_servers_allocator_tcmalloc_LDADD = -l:libtcmalloc_minimal.so.4 -lpthread
endif
SERVER_TESTS = \
	tests/servers/attach.py \
	tests/servers/container.py \
	tests/servers/hung.py \
	tests/servers/mail.py \
	tests/servers/programs.py \
	tests/servers/signalled.py \
	tests/servers/sqlite.py
EXTRA_DIST += $(SERVER_TESTS)

# Thousands of rounds of attaching and detaching: ten minutes.
CHECK_ATTACH_ROUNDS = 2000
check-attach:
	LOCKJAM_TEST_ROUNDS=$(CHECK_ATTACH_ROUNDS) LOCKJAM_TEST_STEP=1 \
		$(MAKE) $(AM_MAKEFLAGS) check TESTS=tests/e2e/inject.py
.PHONY: check-attach

# Storms of 100,000 signals, protection against them included: a few minutes.
CHECK_SIGNALS = 100000
SIGNAL_TESTS = tests/e2e/deliveries.py tests/e2e/protection.py
check-signals:
	LOCKJAM_TEST_SIGNALS=$(CHECK_SIGNALS) $(MAKE) $(AM_MAKEFLAGS) check TESTS='$(SIGNAL_TESTS)'
.PHONY: check-signals

check-servers:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(SERVER_TESTS)'
.PHONY: check-servers

# --- the recorder, attached and taken off again for ROUNDS_SECONDS --------------------------------
ROUNDS_SECONDS = 600
check-rounds:
	LOCKJAM_TEST_ROUNDS_SECONDS=$(ROUNDS_SECONDS) \
		$(MAKE) $(AM_MAKEFLAGS) check TESTS=tests/e2e/latch.py
.PHONY: check-rounds

# --- measuring ----------------------------------------------------------------------------------
MEASURED = tests/bench/crowd tests/bench/delivery tests/bench/knots tests/bench/locks tests/bench/orders tests/bench/pairs \
	tests/bench/stall
tests_bench_knots_CFLAGS = $(AM_CFLAGS) $(ELF_CFLAGS)
tests_bench_knots_LDADD = collector/libcollector.a $(ELF_LIBS) $(UNPACK_LIBS) $(DEMANGLE_LIBS)
tests_bench_orders_CFLAGS = $(AM_CFLAGS) $(ELF_CFLAGS)
tests_bench_orders_LDADD = collector/libcollector.a $(ELF_LIBS) $(UNPACK_LIBS) $(DEMANGLE_LIBS)
EXTRA_PROGRAMS = $(MEASURED)
tests_bench_stall_LDADD = -lpthread
tests_bench_locks_LDADD = -lpthread
tests_bench_locks_CFLAGS = $(AM_CFLAGS) -O2
EXTRA_DIST += tests/bench/bench.py tests/bench/measure.py tests/bench/mutex.py tests/bench/sampling.py tests/bench/standstill.py
bench: all $(MEASURED) $(VICTIMS)
	$(AM_TESTS_ENVIRONMENT) $(PYTHON) $(srcdir)/tests/bench/bench.py $(BENCH)
.PHONY: bench

# --- variants of make check ---------------------------------------------------------------------
# Repeats, until the first failure: make check-loop COUNT=100 [TESTS=...].
COUNT = 100
check-loop:
	@i=0; while [ $$i -lt $(COUNT) ]; do \
		i=$$((i + 1)); echo "check-loop: $$i of $(COUNT)"; \
		$(MAKE) $(AM_MAKEFLAGS) -s check >check-loop.log 2>&1 || { \
			grep -E '^(FAIL|ERROR|# )' check-loop.log; \
			echo "check-loop: round $$i failed, see check-loop.log and test-suite.log"; exit 1; }; \
	done
CLEANFILES += check-loop.log

# The collector, the command and the unit tests built with a sanitizer in a tree beside this one.
# The shim and the programs that it runs in are built as ever: they know nothing of sanitizers.
WITH_SANITIZER = tests/unit/unit tests/fuzz/replay tests/arguments/frames
SANITIZED_TESTS = tests/unit/unit tests/fuzz/replay tests/e2e/locks.py tests/e2e/handlers.py \
	tests/e2e/command.py
check-asan:
	$(MAKE) $(AM_MAKEFLAGS) check-sanitized SANITIZER=address
check-ubsan:
	$(MAKE) $(AM_MAKEFLAGS) check-sanitized SANITIZER=undefined
check-sanitized:
	$(MKDIR_P) build-$(SANITIZER)
	test -f build-$(SANITIZER)/Makefile || (cd build-$(SANITIZER) && \
		$(abs_top_srcdir)/configure -q CC='$(CC)' CFLAGS='-g -O1')
	without=; for p in $(check_PROGRAMS); do \
		case " $(WITH_SANITIZER) " in *" $$p "*) ;; *) without="$$without $$p" ;; esac; done; \
	cd build-$(SANITIZER) && $(MAKE) $(AM_MAKEFLAGS) $(BUILT_SOURCES) && \
		$(MAKE) $(AM_MAKEFLAGS) preload/liblockjam.la $$without
	cd build-$(SANITIZER) && ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
		$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(SANITIZED_TESTS)' \
		CFLAGS='-g -O1 -fsanitize=$(SANITIZER) -fno-sanitize-recover=all -fno-omit-frame-pointer'
.PHONY: check-loop check-asan check-ubsan check-sanitized
