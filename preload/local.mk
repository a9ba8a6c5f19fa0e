# The shim: runs inside the target, observes, writes its segment, decides nothing.
pkglib_LTLIBRARIES += preload/liblockjam.la
preload_liblockjam_la_SOURCES = \
	preload/arena.c \
	preload/arena.h \
	preload/arch-offsets.h \
	preload/call_limit.c \
	preload/call_limit.h \
	preload/carry.c \
	preload/carry.h \
	preload/cfi.c \
	preload/cfi.h \
	preload/cfi_reader.h \
	preload/cfi_rules.c \
	preload/clock.c \
	preload/descriptor.c \
	preload/descriptor.h \
	preload/edge.c \
	preload/edge.h \
	preload/finding.c \
	preload/finding.h \
	preload/hold.c \
	preload/hold.h \
	preload/inherit.c \
	preload/inherit.h \
	preload/interruption.c \
	preload/interruption.h \
	preload/fdinfo.c \
	preload/fdinfo.h \
	preload/init.c \
	preload/latch.c \
	preload/latch.h \
	preload/latch_environment.c \
	preload/latch_environment.h \
	preload/latch_loader.c \
	preload/latch_loader.h \
	preload/latch_lock.c \
	preload/latch_lock.h \
	preload/latch_object.c \
	preload/latch_object.h \
	preload/latch_page.c \
	preload/latch_page.h \
	preload/latch_signal.c \
	preload/latch_signal.h \
	preload/latch_slot.c \
	preload/latch_slot.h \
	preload/latch_thunk.h \
	preload/latch_wrapper.c \
	preload/latch_wrapper.h \
	preload/lock.c \
	preload/lock.h \
	preload/lockset.c \
	preload/lockset.h \
	preload/lockset_list.c \
	preload/lockset_list.h \
	preload/lockset_queue.c \
	preload/lost.c \
	preload/lost.h \
	preload/lookup.c \
	preload/lookup.h \
	preload/module.c \
	preload/module.h \
	preload/named.c \
	preload/named.h \
	preload/process.c \
	preload/process.h \
	preload/protect.c \
	preload/protect.h \
	preload/range.c \
	preload/range.h \
	preload/real.c \
	preload/real.def \
	preload/real.h \
	preload/resource.c \
	preload/resource.h \
	preload/segment.c \
	preload/segment.h \
	preload/segment_file.c \
	preload/segment_file.h \
	preload/segment_pages.c \
	preload/segment_record.c \
	preload/shim.h \
	preload/signal.c \
	preload/signal.h \
	preload/stack.c \
	preload/stack.h \
	preload/spare.def \
	preload/sys.h \
	preload/text.h \
	preload/thunk.c \
	preload/thunk.h \
	preload/sync.c \
	preload/sync.h \
	preload/thread.def \
	preload/track.c \
	preload/track.h \
	preload/trampoline.c \
	preload/unsafe.def \
	preload/usage.c \
	preload/usage.h \
	preload/unwind.c \
	preload/unwind.h \
	preload/wrap.h \
	preload/wrap_cond.c \
	preload/wrap_hold.h \
	preload/wrap_fcntl.c \
	preload/wrap_fd.c \
	preload/wrap_flock.c \
	preload/wrap_join.c \
	preload/wrap_listen.c \
	preload/wrap_mutex.c \
	preload/wrap_process.c \
	preload/wrap_prctl.c \
	preload/wrap_rwlock.c \
	preload/wrap_sem.c \
	preload/wrap_signal.c
nodist_preload_liblockjam_la_SOURCES = preload/unsafe.list
if ARCH_X86_64
preload_liblockjam_la_SOURCES += preload/arch-x86_64.S preload/arch-x86_64.h \
	preload/thunk-x86_64.S
endif
if ARCH_AARCH64
preload_liblockjam_la_SOURCES += preload/arch-aarch64.S preload/arch-aarch64.h \
	preload/thunk-aarch64.S
endif
preload_liblockjam_la_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
# Without frame pointers: a thread blocked below a wrapper is unwound from its sp and pc alone, and a
# frame that is found by rbp, which nobody knows then, would end the backtrace.
preload_liblockjam_la_CFLAGS = $(AM_CFLAGS) -O2 -fvisibility=hidden -fno-plt \
	-fomit-frame-pointer -ftls-model=initial-exec
preload_liblockjam_la_LDFLAGS = -module -avoid-version -shared -no-undefined \
	-Wl,-z,now -Wl,-z,nodelete -Wl,--version-script=preload/liblockjam.map
preload_liblockjam_la_DEPENDENCIES = preload/liblockjam.map
EXTRA_DIST += preload/exports.map preload/unsafe-filter.awk

# The lines of unsafe.def that the libc of this build can serve, and their names among the exports.
BUILT_SOURCES += preload/unsafe.list
CLEANFILES += preload/unsafe.list preload/unsafe.list.tmp preload/liblockjam.map
preload/unsafe.list: preload/unsafe.def preload/unsafe-filter.awk
	$(AM_V_GEN)$(MKDIR_P) preload && \
	$(NM) -D --defined-only "`$(CC) -print-file-name=libc.so.6`" | \
	$(AWK) -f $(srcdir)/preload/unsafe-filter.awk - $(srcdir)/preload/unsafe.def > $@.tmp && \
	mv $@.tmp $@
preload/liblockjam.map: preload/exports.map preload/unsafe.list
	$(AM_V_GEN)sed -n 's/^UNSAFE(\([^,]*\),.*/\t\1;/p' preload/unsafe.list | \
	sed '/functions that are unsafe in handlers/r /dev/stdin' $(srcdir)/preload/exports.map > $@
