/* Locks that handlers came into, in words; and what they do to the findings about calls in
 * handlers. */
#include "config.h"

#include "collector/analysis/analysis_detect.h"

static const char *kind_text(enum lock_kind kind)
{
	switch (kind) {
	case LOCK_POSIX:
		return "POSIX";
	case LOCK_OFD:
		return "OFD";
	case LOCK_FLOCK:
		return "flock";
	case LOCK_LEASE:
		return "lease";
	default:
		return "thread lock";
	}
}

static const char *range_text(struct model *m, const struct model_use *u)
{
	if (u->start == 0 && u->end == MODEL_TO_EOF)
		return "";
	if (u->end == MODEL_TO_EOF)
		return model_stringf(m, ", bytes from %llu on", (unsigned long long)u->start);
	return model_stringf(m, ", bytes %llu-%llu", (unsigned long long)u->start,
			     (unsigned long long)u->end);
}

const char *analysis_use_file(struct model *m, uint32_t use)
{
	const struct model_use *u = &m->uses.items[use];

	return u->file[0] ? u->file
			  : model_stringf(m, "the file %llx:%llu", (unsigned long long)u->dev,
					  (unsigned long long)u->ino);
}

const char *analysis_use_text(struct model *m, uint32_t use)
{
	const struct model_use u = m->uses.items[use];

	return model_stringf(m, "the %s lock (%s%s) of %s", u.mode == MODE_WRITE ? "WRITE" : "READ",
			     kind_text(u.kind), range_text(m, &u), analysis_use_file(m, use));
}

const char *analysis_held_text(struct model *m, const struct model_call *call)
{
	const struct model_call c = *call;
	const char *text = "";

	for (uint32_t i = 0; i < c.held_count; i++)
		text = model_stringf(m, "%s%s%s", text,
				     i == 0 ? "; the interrupted code held "
				     : i + 1 < c.held_count || c.has_more_held ? ", "
									       : " and ",
				     analysis_use_text(m, c.held[i]));
	return c.has_more_held ? model_stringf(m, "%s, and more locks", text) : text;
}

void analysis_add_held(const struct model *m, struct model_finding *f,
		       const struct model_call *call)
{
	if (f->held_count || !call->held_count)
		return;
	f->held_count = call->held_count;
	for (uint32_t i = 0; i < call->held_count; i++) {
		f->held[i] = call->held[i];
		analysis_add_stack(f, m->uses.items[call->held[i]].stack,
				   "the interrupted code had taken its lock");
	}
}
