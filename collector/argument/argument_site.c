/*
 * The call that led to a frame's function: a DW_TAG_call_site in the caller, or, when the caller
 * called a function whose last call became a jump to this one, that jump. Given up when it is not
 * certain that the call really led here, and by that way.
 */
#include "collector/argument/argument_site.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

/* A search through DIEs of hostile size and shape: `budget` bounds it. */
struct site_search {
	Dwarf_Addr return_pc; /* DWARF address behind the call */
	unsigned budget;
};

static bool is_call_site(Dwarf_Die *die)
{
	return dwarf_tag(die) == DW_TAG_call_site || dwarf_tag(die) == DW_TAG_GNU_call_site;
}

static bool is_tail_call(Dwarf_Die *site)
{
	Dwarf_Attribute attr;
	bool is_set = false;

	return (dwarf_attr(site, DW_AT_call_tail_call, &attr) ||
		dwarf_attr(site, DW_AT_GNU_tail_call, &attr)) &&
	       dwarf_formflag(&attr, &is_set) == 0 && is_set;
}

/* The address behind a call. */
static bool return_pc(Dwarf_Die *site, Dwarf_Addr *address)
{
	Dwarf_Attribute attr;

	if (dwarf_attr(site, DW_AT_call_return_pc, &attr))
		return dwarf_formaddr(&attr, address) == 0;
	return dwarf_tag(site) == DW_TAG_GNU_call_site && dwarf_lowpc(site, address) == 0;
}

static bool returns_to(Dwarf_Die *site, Dwarf_Addr pc)
{
	Dwarf_Addr address;

	return return_pc(site, &address) && address == pc;
}

static bool has_code(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine ||
	       tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

static bool find_site(struct site_search *s, Dwarf_Die *parent, unsigned depth, Dwarf_Die *site)
{
	Dwarf_Die child;

	if (depth > 4 * ARGUMENT_DEPTH || dwarf_child(parent, &child))
		return false;
	do {
		if (s->budget == 0)
			return false;
		s->budget--;
		if (is_call_site(&child) && !is_tail_call(&child) &&
		    returns_to(&child, s->return_pc)) {
			*site = child;
			return true;
		}
		if (has_code(&child) && find_site(s, &child, depth + 1, site))
			return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

/* --- does the call lead here? ------------------------------------------------------------------
 */

static bool site_origin(Dwarf_Die *site, Dwarf_Die *origin)
{
	Dwarf_Attribute attr;

	return (dwarf_attr(site, DW_AT_call_origin, &attr) ||
		dwarf_attr(site, DW_AT_abstract_origin, &attr)) &&
	       dwarf_formref_die(&attr, origin) != NULL;
}

static const char *linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute attr;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
		return dwarf_formstring(&attr);
	return NULL;
}

static bool is_equal(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* Declarations in other units are found by name. C++ has several functions of one name, told apart
 * by their linkage names; C's linkage names are libc's (`__GI_exit` is exit). */
static bool has_same_name(Dwarf_Die *a, Dwarf_Die *b)
{
	const char *link_a = linkage_name(a), *link_b = linkage_name(b);

	if (is_equal(link_a, link_b))
		return true;
	if (link_a && link_b && link_a[0] == '_' && link_a[1] == 'Z')
		return false;
	return is_equal(dwarf_diename(a), dwarf_diename(b));
}

/* Or the origin is another name of the function of v, as fprintf is of __fprintf. */
static bool is_function_of(struct argument_view *v, Dwarf_Die *origin)
{
	const char *name = linkage_name(origin);
	Dwarf_Addr entry;
	uint64_t address;

	if (has_same_name(origin, &v->function))
		return true;
	name = name ? name : dwarf_diename(origin);
	return name && dwarf_entrypc(&v->function, &entry) == 0 &&
	       v->source->find_symbol(v->source->context, entry + v->bias, name, &address) &&
	       address == entry + v->bias;
}

/* An indirect call: where it went is told by an expression, if the register still is known. */
static bool target_is(struct argument_view *caller, Dwarf_Die *site, Dwarf_Die *callee,
		      Dwarf_Addr callee_bias)
{
	struct expression_env env = argument_env(caller);
	struct number target;
	Dwarf_Attribute attr;
	Dwarf_Addr entry;
	Dwarf_Op *ops;
	size_t count;

	if (!dwarf_attr(site, DW_AT_call_target, &attr) &&
	    !dwarf_attr(site, DW_AT_GNU_call_site_target, &attr))
		return false;
	if (dwarf_entrypc(callee, &entry) || argument_decode(caller, &attr, &ops, &count) ||
	    expression_compute(&env, ops, count, caller->steps, &target))
		return false;
	return target.bits == entry + callee_bias;
}

/*
 * A function that may call itself as the last thing it does runs several times in one frame, with
 * other arguments than the caller passed. An indirect last call may be such a one.
 */
static bool may_tail_call(struct site_search *s, Dwarf_Die *parent, Dwarf_Die *self, unsigned depth)
{
	Dwarf_Die child, origin;

	if (depth > 4 * ARGUMENT_DEPTH || dwarf_child(parent, &child))
		return false;
	do {
		if (s->budget == 0)
			return true;
		s->budget--;
		if (is_call_site(&child) && is_tail_call(&child) &&
		    (!site_origin(&child, &origin) || has_same_name(&origin, self)))
			return true;
		if (has_code(&child) && may_tail_call(s, &child, self, depth + 1))
			return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

/* The call of `site` in `caller` went to the function of v itself. */
static bool leads_here(struct argument_view *v, struct argument_view *caller, Dwarf_Die *site)
{
	Dwarf_Die origin;

	if (site_origin(site, &origin))
		return is_function_of(v, &origin);
	return target_is(caller, site, &v->function, v->bias);
}

static bool find_return(struct argument_view *caller, Dwarf_Die *site)
{
	struct site_search search = {.budget = ARGUMENT_DIES};

	search.return_pc = caller->frame->pc - caller->bias;
	return find_site(&search, &caller->function, 0, site);
}

/* --- jumps -------------------------------------------------------------------------------------
 */

/* The last calls of a function, as far as they matter to one callee. */
struct jumps {
	struct site_search search;
	Dwarf_Die site;  /* the one that leads to the callee */
	unsigned direct; /* how many do */
	unsigned others; /* how many go elsewhere, from where they might come back to it */
};

static void count_jumps(struct jumps *j, struct argument_view *jumper, Dwarf_Die *parent,
			struct argument_view *callee, unsigned depth)
{
	Dwarf_Die child;

	if (depth > 4 * ARGUMENT_DEPTH || dwarf_child(parent, &child))
		return;
	do {
		if (j->search.budget == 0)
			return;
		j->search.budget--;
		if (is_call_site(&child) && is_tail_call(&child)) {
			bool is_direct = leads_here(callee, jumper, &child);

			j->direct += is_direct;
			j->others += !is_direct;
			if (is_direct)
				j->site = child;
		} else if (has_code(&child)) {
			count_jumps(j, jumper, &child, callee, depth + 1);
		}
	} while (dwarf_siblingof(&child, &child) == 0);
}

/* One way only: else it is not known which one the program went. A function of another file cannot
 * jump to a static one. */
static bool is_only_way(const struct jumps *j, struct argument_view *callee)
{
	Dwarf_Attribute attr;

	return j->search.budget && j->direct == 1 &&
	       (j->others == 0 || !dwarf_attr_integrate(&callee->function, DW_AT_external, &attr));
}

/* Where the function begins that `site` in `caller` calls: in the same unit, or found by its name
 * in the module of v. */
static bool find_callee(struct argument_view *v, struct argument_view *caller, Dwarf_Die *site,
			uint64_t *address)
{
	Dwarf_Addr entry;
	Dwarf_Die origin;
	const char *name;

	if (!site_origin(site, &origin))
		return false;
	if (dwarf_entrypc(&origin, &entry) == 0) {
		*address = entry + caller->bias;
		return true;
	}
	name = linkage_name(&origin);
	name = name ? name : dwarf_diename(&origin);
	return name &&
	       v->source->find_symbol(v->source->context, v->lookup + v->bias, name, address);
}

/*
 * The caller called a function one of whose last calls goes to the function of v. Nothing is left
 * of it but what it was passed itself: `jumper` is a view of it without any register.
 */
static int find_jump(struct argument_view *v, struct argument_view *caller,
		     struct argument_frame *frame, struct argument_view *jumper, Dwarf_Die *site)
{
	struct jumps jumps = {.search.budget = ARGUMENT_DIES};
	uint64_t address;

	if (!find_callee(v, caller, site, &address))
		return -ENODATA;
	*frame = (struct argument_frame){
		.pc = address, .is_exact = true, .lost = UINT64_MAX, .index = v->frame->index};
	if (argument_view_beside(jumper, v, frame))
		return -ENODATA;
	count_jumps(&jumps, jumper, &jumper->function, v, 0);
	*site = jumps.site;
	return is_only_way(&jumps, v) ? 0 : -ENODATA;
}

int argument_site_find(struct argument_view *v, struct argument_frame *frame,
		       struct argument_view *caller, Dwarf_Die *site)
{
	struct site_search search = {.budget = ARGUMENT_DIES};
	struct argument_view outer;

	if (v->depth >= ARGUMENT_DEPTH ||
	    !v->source->find_caller(v->source->context, v->frame, frame) ||
	    argument_view_beside(caller, v, frame) || !find_return(caller, site) ||
	    may_tail_call(&search, &v->function, &v->function, 0))
		return -ENODATA;
	caller->depth = v->depth + 1;
	if (leads_here(v, caller, site))
		return 0;
	outer = *caller;
	if (find_jump(v, &outer, frame, caller, site))
		return -ENODATA;
	caller->depth = v->depth + 1;
	return 0;
}

int argument_site_find_jump(struct argument_view *v, uint64_t *behind)
{
	struct argument_view jumper;
	struct argument_frame frame;
	Dwarf_Addr address;
	Dwarf_Die site;

	if (argument_site_find(v, &frame, &jumper, &site) || !is_tail_call(&site) ||
	    !return_pc(&site, &address))
		return -ENODATA;
	*behind = address + jumper.bias;
	return 0;
}
