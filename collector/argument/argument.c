/* See argument.h: which arguments a frame has, and each one's text. */
#include "collector/argument/argument.h"

#include <dwarf.h>
#include <string.h>

#include "collector/argument/argument_entry.h"
#include "collector/argument/argument_value.h"

#define PARAMETERS_MAX 64
#define MORE ", ..."

/* The parameters of one frame, in the order in which they are shown. */
struct parameters {
	Dwarf_Die items[PARAMETERS_MAX];
	unsigned count;
	bool is_cut;
};

static bool origin_of(Dwarf_Die *die, Dwarf_Die *origin)
{
	Dwarf_Attribute attr;

	return dwarf_attr(die, DW_AT_abstract_origin, &attr) && dwarf_formref_die(&attr, origin);
}

/* Whether one of the parameters stands for the abstract one. */
static bool is_listed(struct parameters *p, Dwarf_Die *abstract, unsigned count)
{
	Dwarf_Die origin;

	for (unsigned i = 0; i < count; i++)
		if (origin_of(&p->items[i], &origin) && origin.addr == abstract->addr)
			return true;
	return false;
}

static void collect(struct parameters *p, Dwarf_Die *parent, bool is_abstract)
{
	unsigned concrete = p->count, budget = ARGUMENT_DIES;
	Dwarf_Die child;

	if (dwarf_child(parent, &child))
		return;
	do {
		if (dwarf_tag(&child) != DW_TAG_formal_parameter || !dwarf_diename(&child) ||
		    (is_abstract && is_listed(p, &child, concrete)))
			continue;
		p->is_cut = p->count == PARAMETERS_MAX;
		if (p->is_cut)
			return;
		p->items[p->count++] = child;
	} while (--budget && dwarf_siblingof(&child, &child) == 0);
}

/* The compiler leaves parameters out of an instance that has no use for them. As in gdb, they
 * come last. */
static void collect_all(struct parameters *p, Dwarf_Die *instance)
{
	Dwarf_Die origin;

	p->count = 0;
	p->is_cut = false;
	collect(p, instance, false);
	if (origin_of(instance, &origin))
		collect(p, &origin, true);
}

static void print_lost(struct argument_text *t, const struct argument_source *source,
		       enum fetch fetch, const struct argument_value *value)
{
	if (fetch == FETCH_SYNTHETIC)
		text_append(t, "<synthetic pointer>");
	else if (fetch == FETCH_UNAVAILABLE || (fetch == FETCH_FAULT && source->is_partial))
		text_append(t, "<unavailable>");
	else if (fetch == FETCH_FAULT)
		text_append(t, "<error reading variable: Cannot access memory at address 0x%llx>",
			    (unsigned long long)value->fault);
	else
		text_append(t, "<optimized out>");
}

static void print_parameter(struct argument_text *t, struct argument_view *v, Dwarf_Die *die,
			    bool is_inlined)
{
	struct argument_type type = argument_type_of(die);
	const char *name = dwarf_diename(die), *mark = "";
	struct argument_value value, entry;
	enum fetch fetch;

	if (type.class == TYPE_AGGREGATE) {
		text_append(t, "%s={...}", name);
		return;
	}
	fetch = argument_fetch(v, die, type.size, &value);
	if ((fetch == FETCH_OPTIMIZED_OUT || fetch == FETCH_UNAVAILABLE) && !is_inlined &&
	    argument_fetch_entry(v, die, type.size, &entry) == FETCH_OK) {
		fetch = FETCH_OK;
		value = entry;
		mark = "@entry";
	}
	text_append(t, "%s%s=", name, mark);
	if (fetch == FETCH_OK)
		value_print(t, v->source, &type, value.bytes);
	else
		print_lost(t, v->source, fetch, &value);
}

void argument_print(const struct argument_source *source, const struct argument_frame *frame,
		    Dwarf_Die *instance, Dwarf_Die *function, char *text, size_t size)
{
	/* Room for MORE is kept back until the end. */
	struct argument_text t = {.text = text, .size = size - sizeof(MORE)};
	unsigned steps = ARGUMENT_STEPS;
	bool is_inlined = dwarf_tag(instance) == DW_TAG_inlined_subroutine;
	struct parameters parameters;
	struct argument_view view;
	size_t end = 0;

	text[0] = '\0';
	if (size <= 2 * sizeof(MORE) || argument_view_init(&view, source, frame, function, &steps))
		return;
	view.entry_value = argument_entry_value;
	collect_all(&parameters, instance);
	for (unsigned i = 0; i < parameters.count && !t.is_full; i++) {
		end = t.used;
		text_append(&t, "%s", i ? ", " : "");
		print_parameter(&t, &view, &parameters.items[i], is_inlined);
	}
	if (t.is_full)
		strcpy(text + end, &MORE[end ? 0 : 2]);
	else if (parameters.is_cut)
		strcpy(text + t.used, MORE);
}
