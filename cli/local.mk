# The command: one file per subcommand, one per renderer. Never opens /proc.
# All but main.c is a library of its own, so that unit tests can link the renderers.
noinst_LIBRARIES += cli/libcli.a
cli_libcli_a_SOURCES = \
	cli/child.c \
	cli/child.h \
	cli/cmd_attach.c \
	cli/cmd_env.c \
	cli/cmd_graph.c \
	cli/cmd_report.c \
	cli/cmd_run.c \
	cli/cmd_signals.c \
	cli/cmd_stacks.c \
	cli/cmd_why.c \
	cli/command.h \
	cli/doing.c \
	cli/doing.h \
	cli/json.c \
	cli/json.h \
	cli/json_locks.c \
	cli/json_signals.c \
	cli/json_uses.c \
	cli/json_waits.c \
	cli/json_why.c \
	cli/latch.c \
	cli/latch.h \
	cli/message.c \
	cli/message.h \
	cli/options.c \
	cli/options.h \
	cli/read.c \
	cli/read.h \
	cli/render.c \
	cli/render.h \
	cli/render_json.c \
	cli/render_text.c \
	cli/render_text.h \
	cli/render_text_lock.c \
	cli/render_text_pending.c \
	cli/render_text_live.c \
	cli/render_text_report.c \
	cli/render_text_stacks.c \
	cli/render_text_signals.c \
	cli/render_text_waits.c \
	cli/render_text_why.c \
	cli/shim.c \
	cli/shim.h \
	cli/signals.c \
	cli/signals_group.c \
	cli/signals.h \
	cli/suppress.c \
	cli/suppress.h \
	cli/text.c \
	cli/text.h \
	cli/view.c \
	cli/view.h \
	cli/view_threads.c \
	cli/why.c \
	cli/why.h
cli_libcli_a_CPPFLAGS = $(AM_CPPFLAGS) -DPKGLIBDIR='"$(pkglibdir)"'
cli_libcli_a_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)

bin_PROGRAMS += cli/lockjam
cli_lockjam_SOURCES = cli/main.c
cli_lockjam_CFLAGS = $(AM_CFLAGS)
cli_lockjam_LDADD = cli/libcli.a collector/libcollector.a $(ELF_LIBS) $(UNPACK_LIBS) $(JSON_LIBS) $(DEMANGLE_LIBS)
