# The collector: sources -> model -> analysis. Never prints, never exits.
noinst_LIBRARIES += collector/libcollector.a
collector_libcollector_a_SOURCES = \
	collector/collect.c \
	collector/collect.h \
	collector/collector.c \
	collector/collector.h \
	collector/analysis/analysis.c \
	collector/analysis/analysis.h \
	collector/analysis/analysis_behalf.c \
	collector/analysis/analysis_blocked.c \
	collector/analysis/analysis_calls.c \
	collector/analysis/analysis_children.c \
	collector/analysis/analysis_cycle.c \
	collector/analysis/analysis_cycle.h \
	collector/analysis/analysis_cycle_report.c \
	collector/analysis/analysis_detect.h \
	collector/analysis/analysis_errno.c \
	collector/analysis/analysis_flags.c \
	collector/analysis/analysis_group.c \
	collector/analysis/analysis_interrupted.c \
	collector/analysis/analysis_jumps.c \
	collector/analysis/analysis_race.c \
	collector/analysis/analysis_lost.c \
	collector/analysis/analysis_order.c \
	collector/analysis/analysis_order.h \
	collector/analysis/analysis_order_graph.c \
	collector/analysis/analysis_order_report.c \
	collector/analysis/analysis_resets.c \
	collector/analysis/analysis_restarts.c \
	collector/analysis/analysis_wait.c \
	collector/analysis/safe.def \
	collector/argument/argument.c \
	collector/argument/argument.h \
	collector/argument/argument_entry.c \
	collector/argument/argument_entry.h \
	collector/argument/argument_expression.c \
	collector/argument/argument_expression.h \
	collector/argument/argument_machine.h \
	collector/argument/argument_number.c \
	collector/argument/argument_number.h \
	collector/argument/argument_operation.c \
	collector/argument/argument_site.c \
	collector/argument/argument_site.h \
	collector/argument/argument_stack.c \
	collector/argument/argument_stack.h \
	collector/argument/argument_string.c \
	collector/argument/argument_string.h \
	collector/argument/argument_text.c \
	collector/argument/argument_text.h \
	collector/argument/argument_type.c \
	collector/argument/argument_type.h \
	collector/argument/argument_value.c \
	collector/argument/argument_value.h \
	collector/argument/argument_view.c \
	collector/argument/argument_view.h \
	collector/core/core.c \
	collector/core/core.h \
	collector/core/core_link_map.c \
	collector/core/core_note.c \
	collector/core/core_tell.c \
	collector/core/core_unpack.c \
	collector/inject/inject.c \
	collector/inject/inject.h \
	collector/inject/inject_arch.h \
	collector/inject/inject_block.h \
	collector/inject/inject_calls.c \
	collector/inject/inject_calls.h \
	collector/inject/inject_harmless.c \
	collector/inject/inject_judge.c \
	collector/inject/inject_limit.c \
	collector/inject/inject_limit.h \
	collector/inject/inject_maps.c \
	collector/inject/inject_maps.h \
	collector/inject/inject_obstacle.c \
	collector/inject/inject_point.c \
	collector/inject/inject_point.h \
	collector/inject/inject_remote.c \
	collector/inject/inject_remote.h \
	collector/inject/inject_target.c \
	collector/inject/inject_target.h \
	collector/inject/inject_trace.c \
	collector/inject/inject_trace.h \
	collector/inject/inject_verify.c \
	collector/inject/inject_verify.h \
	collector/model/findings.c \
	collector/model/findings.def \
	collector/model/findings.h \
	collector/model/frame.c \
	collector/model/frame.h \
	collector/model/graph.c \
	collector/model/graph.h \
	collector/model/index.c \
	collector/model/index.h \
	collector/model/model.c \
	collector/model/model.h \
	collector/model/model_check.c \
	collector/model/wait.c \
	collector/model/wait.h \
	collector/proc/asleep.c \
	collector/model/wait_chain.c \
	collector/model/wait_chain.h \
	collector/model/wait_ended.c \
	collector/model/wait_graph.c \
	collector/model/wait_graph.h \
	collector/model/wait_locks.c \
	collector/model/wait_locks.h \
	collector/proc/crew.c \
	collector/proc/crew.h \
	collector/proc/ends.c \
	collector/proc/ends.h \
	collector/proc/held.c \
	collector/proc/held.h \
	collector/proc/kernel_locks.c \
	collector/proc/kernel_locks.h \
	collector/proc/lock_call.c \
	collector/proc/lock_call.h \
	collector/proc/proc.c \
	collector/proc/proc.h \
	collector/proc/proc_task.c \
	collector/proc/program.c \
	collector/proc/thread_lock.c \
	collector/proc/thread_lock.h \
	collector/proc/program.h \
	collector/proc/task_signals.c \
	collector/proc/task_signals.h \
	collector/ptrace/ptrace_copy.c \
	collector/ptrace/ptrace_copy.h \
	collector/sample/sample.c \
	collector/sample/sample.h \
	collector/sample/sample_process.c \
	collector/sample/sample_process.h \
	collector/sample/sample_record.c \
	collector/sample/sample_record.h \
	collector/sample/sample_segment.c \
	collector/sample/sample_segment.h \
	collector/sample/sample_stack.c \
	collector/sample/sample_stack.h \
	collector/sample/sample_thread.c \
	collector/sample/sample_watch.c \
	collector/sample/sample_watch.h \
	collector/segment/segment_load.c \
	collector/segment/segment_name.c \
	collector/segment/segment_name.h \
	collector/segment/segment_private.h \
	collector/segment/segment_read.c \
	collector/segment/segment_read.h \
	collector/segment/session.c \
	collector/segment/session.h \
	collector/source/core_waits.c \
	collector/source/gather.c \
	collector/source/identity.c \
	collector/source/merge.c \
	collector/source/merge.h \
	collector/source/merge_match.c \
	collector/source/namespaces.c \
	collector/source/owners.c \
	collector/source/owners.h \
	collector/source/owners_ahead.c \
	collector/source/owners_confirm.c \
	collector/source/owners_description.c \
	collector/source/owners_path.c \
	collector/source/owners_private.h \
	collector/source/owners_thread.c \
	collector/source/owners_unowned.c \
	collector/source/owners_waiter.c \
	collector/source/segment_import.h \
	collector/source/segment_lost.c \
	collector/source/segment_memfd.c \
	collector/source/segment_model.c \
	collector/source/segment_order.c \
	collector/source/segment_story.c \
	collector/source/segment_why.c \
	collector/source/select.c \
	collector/source/select.h \
	collector/source/select_open.c \
	collector/source/select_path.c \
	collector/source/select_reduce.c \
	collector/source/senders.c \
	collector/source/signals.c \
	collector/source/signals.h \
	collector/source/signals_watch.c \
	collector/source/source.h \
	collector/source/source_core.c \
	collector/source/source_locks.c \
	collector/source/memory.h \
	collector/source/memory_waits.c \
	collector/source/source_memory.c \
	collector/source/source_segments.c \
	collector/source/source_tasks.c \
	collector/source/waits.c \
	collector/source/waits.h \
	collector/source/waits_call.c \
	collector/source/waits_child.c \
	collector/source/waits_descriptor.c \
	collector/source/waits_pipe.c \
	collector/source/waits_set.c \
	collector/source/waits_time.c \
	collector/source/zombies.c \
	collector/stack/classify.c \
	collector/stack/stack.c \
	collector/stack/stack.h \
	collector/stack/stack_frames.c \
	collector/stack/stack_live.c \
	collector/stack/stack_live.h \
	collector/stack/stack_memory.c \
	collector/stack/stack_origin.c \
	collector/stack/stack_private.h \
	collector/stack/stack_process.c \
	collector/symbol/debug_file.c \
	collector/symbol/debug_file.h \
	collector/symbol/debug_server.c \
	collector/symbol/debug_server.h \
	collector/symbol/image.c \
	collector/symbol/image.h \
	collector/symbol/image_open.c \
	collector/symbol/image_open.h \
	collector/symbol/scope.c \
	collector/symbol/scope.h \
	collector/symbol/symbol.c \
	collector/symbol/symbol.h \
	collector/symbol/symtab.c \
	collector/symbol/symtab.h \
	collector/symbol/unit.c \
	collector/symbol/unit.h \
	collector/arch/arch.h \
	collector/arch/blocking_call.c \
	collector/arch/blocking_call.h \
	collector/arch/syscall_name.c \
	collector/arch/syscall_name.h \
	collector/unwind/module.c \
	collector/unwind/module.h \
	collector/unwind/module_image.c \
	collector/unwind/signal_frame.c \
	collector/unwind/signal_frame.h \
	collector/unwind/unwind.c \
	collector/unwind/unwind.h \
	collector/unwind/unwind_private.h \
	collector/unwind/unwind_prologue.c \
	collector/unwind/unwind_signal.c \
	preload/segment.h
if ARCH_X86_64
collector_libcollector_a_SOURCES += collector/arch/arch-x86_64.c \
	collector/inject/inject-x86_64.c collector/inject/stub-x86_64.S
endif
if ARCH_AARCH64
collector_libcollector_a_SOURCES += collector/arch/arch-aarch64.c collector/inject/inject-none.c
endif
collector_libcollector_a_CFLAGS = $(AM_CFLAGS) $(ELF_CFLAGS) $(UNPACK_CFLAGS)

# The names that the shim's table calls unsafe; one list for both.
BUILT_SOURCES += collector/analysis/unsafe.list
CLEANFILES += collector/analysis/unsafe.list collector/analysis/unsafe.list.tmp
collector/analysis/unsafe.list: preload/unsafe.def
	$(AM_V_GEN)$(MKDIR_P) collector/analysis; \
	sed -n -e '/, 0)/d' -e '/, SAFE)/d' \
		-e 's/^UNSAFE(\([^,]*\),.*/UNSAFE(\1)/p' $(srcdir)/preload/unsafe.def >$@.tmp && \
	test -s $@.tmp && mv $@.tmp $@

# The names of this processor's system calls, as libc's headers have them.
BUILT_SOURCES += collector/arch/syscall_names.inc
CLEANFILES += collector/arch/syscall_names.inc collector/arch/syscall_names.inc.tmp
collector/arch/syscall_names.inc:
	$(AM_V_GEN)$(MKDIR_P) collector/arch; \
	echo '#include <sys/syscall.h>' | $(CC) $(CPPFLAGS) -E -dM - | LC_ALL=C sort | \
		sed -n 's/^#define SYS_\([a-z0-9_]*\) .*/{SYS_\1, "\1"},/p' >$@.tmp && \
	test -s $@.tmp && mv $@.tmp $@
