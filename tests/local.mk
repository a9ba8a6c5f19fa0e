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
UNIT_CFLAGS = $(AM_CFLAGS) $(ELF_CFLAGS) $(CUNIT_CFLAGS)
UNIT_LIBS = $(CUNIT_LIBS) $(ELF_LIBS) $(DEMANGLE_LIBS)
if HAVE_CUNIT
check_PROGRAMS += tests/unit/unit
TESTS += tests/unit/unit
endif
tests_unit_unit_CFLAGS = $(UNIT_CFLAGS)
tests_unit_unit_LDADD = collector/libcollector.a $(UNIT_LIBS)
tests_unit_unit_SOURCES = \
	tests/unit/main.c \
	tests/unit/suites.def \
	tests/unit/unit.c \
	tests/unit/unit.h
