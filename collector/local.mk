# The collector: sources -> model -> analysis. Never prints, never exits.
noinst_LIBRARIES += collector/libcollector.a
collector_libcollector_a_SOURCES = \
	collector/analysis.c \
	collector/collector.c \
	collector/core.c \
	collector/core.h \
	collector/core_note.c \
	collector/core_unpack.c \
	collector/crew.c \
	collector/crew.h \
	collector/gather.c \
	collector/graph.c \
	collector/held.c \
	collector/held.h \
	collector/index.c \
	collector/index.h \
	collector/kernel_locks.c \
	collector/kernel_locks.h \
	collector/merge.c \
	collector/merge.h \
	collector/merge_match.c \
	collector/model.c \
	collector/owners.c \
	collector/owners.h \
	collector/proc.c \
	collector/segment_memfd.c \
	collector/segment_model.c \
	collector/segment_read.c \
	collector/segment_story.c \
	collector/select.c \
	collector/select.h \
	collector/select_reduce.c \
	collector/session.c \
	collector/source.h \
	collector/source_core.c \
	collector/source_locks.c \
	collector/source_segments.c \
	collector/source_tasks.c \
	collector/analysis.h \
	collector/arch.h \
	collector/argument.c \
	collector/argument.h \
	collector/argument_entry.c \
	collector/argument_expression.c \
	collector/argument_expression.h \
	collector/argument_number.c \
	collector/argument_number.h \
	collector/argument_stack.c \
	collector/argument_stack.h \
	collector/argument_string.c \
	collector/argument_type.c \
	collector/argument_type.h \
	collector/argument_value.c \
	collector/argument_value.h \
	collector/argument_view.c \
	collector/argument_view.h \
	collector/classify.c \
	collector/image.c \
	collector/image.h \
	collector/module.c \
	collector/module.h \
	collector/stack.c \
	collector/stack_live.c \
	collector/stack_live.h \
	collector/symbol.c \
	collector/symbol.h \
	collector/symtab.c \
	collector/symtab.h \
	collector/unwind.c \
	collector/unwind.h \
	collector/analysis_calls.c \
	collector/analysis_cycle.c \
	collector/analysis_detect.h \
	collector/analysis_errno.c \
	collector/collector.h \
	collector/findings.c \
	collector/findings.def \
	collector/graph.h \
	collector/model.h \
	collector/proc.h \
	collector/program.c \
	collector/program.h \
	collector/scope.c \
	collector/scope.h \
	collector/segment_read.h \
	collector/stack.h \
	preload/segment.h
if ARCH_X86_64
collector_libcollector_a_SOURCES += collector/arch-x86_64.c
endif
if ARCH_AARCH64
collector_libcollector_a_SOURCES += collector/arch-aarch64.c
endif
collector_libcollector_a_CFLAGS = $(AM_CFLAGS) $(ELF_CFLAGS) $(UNPACK_CFLAGS)
