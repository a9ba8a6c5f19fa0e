# Man pages, one per command, and the pages for developers and scripts.
dist_man_MANS += \
	docs/man/lockjam.1 \
	docs/man/lockjam-attach.1 \
	docs/man/lockjam-env.1 \
	docs/man/lockjam-graph.1 \
	docs/man/lockjam-report.1 \
	docs/man/lockjam-run.1 \
	docs/man/lockjam-signals.1 \
	docs/man/lockjam-stacks.1 \
	docs/man/lockjam-suppressions.5 \
	docs/man/lockjam-why.1
EXTRA_DIST += \
	docs/architecture.md \
	docs/field-notes.md \
	docs/json.md \
	docs/performance.md
