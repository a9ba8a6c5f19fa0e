/* Under a thread's backtrace: what it waits for, and who could end that. */
#include "config.h"

#include "cli/render_text.h"
#include "cli/text.h"

#define NEEDS_MAX 8 /* that are listed of a wait */
#define WAYS_MAX 8  /* of a need */

static const struct model_wait *wait_of(const struct model *m, uint32_t thread)
{
	for (uint32_t i = 0; thread != MODEL_NONE && i < m->waits.count; i++)
		if (m->waits.items[i].thread == thread)
			return &m->waits.items[i];
	return NULL;
}

static void put_times(const struct view *v, const struct model_wait *w)
{
	char buffer[TEXT_SIZE];

	if (w->since_ns && w->since_ns <= v->model->now_ns)
		fprintf(v->out, ", for %s", text_duration(buffer, v->model->now_ns - w->since_ns));
	if (w->until_ns == UINT64_MAX)
		fputs(", with a limit of time", v->out);
	else if (w->until_ns)
		fprintf(v->out, ", %s more at most",
			text_duration(buffer, w->until_ns > v->model->now_ns
						      ? w->until_ns - v->model->now_ns
						      : 0));
	if (w->idle_ns)
		fprintf(v->out, "; nothing came for %s", text_duration(buffer, w->idle_ns));
}

static void put_way(const struct view *v, const struct model_way *way, unsigned indent)
{
	fprintf(v->out, "%*s", indent, "");
	text_process(v, way->process);
	if (way->thread != MODEL_NONE)
		fprintf(v->out, ", thread %d,", v->model->threads.items[way->thread].tid);
	fprintf(v->out, " %s\n", way->how ? way->how : "holds it");
}

void text_wait(const struct view *v, uint32_t thread, unsigned indent)
{
	const struct model *m = v->model;
	const struct model_wait *w = wait_of(m, thread);

	if (!w)
		return;
	fprintf(v->out, "%*swaits for ", indent, "");
	text_put(v->out, w->object);
	put_times(v, w);
	fputc('\n', v->out);
	for (uint32_t i = 0; i < w->need_count && i < NEEDS_MAX; i++) {
		const struct model_need *need = &m->needs.items[w->first_need + i];

		for (uint32_t n = 0; n < need->way_count && n < WAYS_MAX; n++)
			put_way(v, &m->ways.items[need->first_way + n], indent + 1);
		if (need->way_count > WAYS_MAX)
			fprintf(v->out, "%*sand %u more\n", indent + 1, "",
				need->way_count - WAYS_MAX);
	}
	if (w->need_count > NEEDS_MAX)
		fprintf(v->out, "%*sand %u more\n", indent + 1, "", w->need_count - NEEDS_MAX);
	if (w->unseen) {
		fprintf(v->out, "%*snot all can be seen: ", indent + 1, "");
		text_put(v->out, w->unseen);
		fputc('\n', v->out);
	}
}
