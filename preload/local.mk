# The shim: runs inside the target, observes, writes its segment, decides nothing.
pkglib_LTLIBRARIES += preload/liblockjam.la
preload_liblockjam_la_SOURCES = \
	preload/arch-offsets.h \
	preload/init.c \
	preload/module.c \
	preload/process.c \
	preload/process.h \
	preload/real.c \
	preload/real.def \
	preload/real.h \
	preload/segment.c \
	preload/segment.h \
	preload/segment_file.c \
	preload/segment_file.h \
	preload/shim.h \
	preload/stack.c \
	preload/sys.h \
	preload/text.h
if ARCH_X86_64
preload_liblockjam_la_SOURCES += preload/arch-x86_64.S preload/arch-x86_64.h
endif
if ARCH_AARCH64
preload_liblockjam_la_SOURCES += preload/arch-aarch64.S preload/arch-aarch64.h
endif
preload_liblockjam_la_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
preload_liblockjam_la_CFLAGS = $(AM_CFLAGS) $(UNWIND_CFLAGS) -O2 -fvisibility=hidden -fno-plt \
	-fno-omit-frame-pointer -ftls-model=initial-exec
preload_liblockjam_la_LDFLAGS = -module -avoid-version -shared -no-undefined \
	-Wl,-z,now -Wl,-z,nodelete -Wl,--version-script=$(srcdir)/preload/exports.map
EXTRA_DIST += preload/exports.map
