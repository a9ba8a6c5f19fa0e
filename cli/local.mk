# The command: one file per subcommand, one per renderer. Never opens /proc.
bin_PROGRAMS += cli/lockjam
cli_lockjam_SOURCES = \
	cli/command.h \
	cli/main.c
cli_lockjam_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
cli_lockjam_LDADD = collector/libcollector.a $(ELF_LIBS) $(JSON_LIBS) $(DEMANGLE_LIBS)
