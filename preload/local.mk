# The shim: runs inside the target, observes, writes its segment, decides nothing.
pkglib_LTLIBRARIES += preload/liblockjam.la
preload_liblockjam_la_SOURCES = \
	preload/segment.h \
	preload/shim.h
preload_liblockjam_la_CFLAGS = $(AM_CFLAGS) $(UNWIND_CFLAGS) -O2 -fvisibility=hidden -fno-plt \
	-fno-omit-frame-pointer -ftls-model=initial-exec
preload_liblockjam_la_LDFLAGS = -module -avoid-version -shared -no-undefined \
	-Wl,-z,now -Wl,-z,nodelete -Wl,--version-script=$(srcdir)/preload/exports.map
EXTRA_DIST += preload/exports.map
