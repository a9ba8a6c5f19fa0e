# The mail-like server of `./quickstart demo`. Debug information is what its backtraces live on.
check_PROGRAMS += tests/demo/maild
tests_demo_maild_SOURCES = tests/demo/maild.c
tests_demo_maild_CFLAGS = $(AM_CFLAGS) -g -Og -fno-optimize-sibling-calls -pthread
tests_demo_maild_LDFLAGS = -pthread
