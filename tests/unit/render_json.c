/* The JSON form: what scripts rely on, read back with a parser. */
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "tests/unit/render_fixture.h"
#include "tests/unit/unit.h"

static struct json_object *render(struct model *m, enum fixture_output which)
{
	char *text = fixture_render(m, "json", which);
	struct json_object *o = json_tokener_parse(text);

	CU_ASSERT_PTR_NOT_NULL_FATAL(o);
	free(text);
	return o;
}

/* A path of keys and array indices: "locks/0/holders/0/pid". */
static struct json_object *at(struct json_object *o, const char *path)
{
	char copy[256], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *key = strtok_r(copy, "/", &save); o && key; key = strtok_r(NULL, "/", &save))
		o = json_object_is_type(o, json_type_array) ?
			    json_object_array_get_idx(o, atoi(key)) :
			    json_object_object_get(o, key);
	return o;
}

static const char *text_at(struct json_object *o, const char *path)
{
	struct json_object *found = at(o, path);

	return found ? json_object_get_string(found) : "(null)";
}

#define CHECK_TEXT(o, path, text) CU_ASSERT_STRING_EQUAL(text_at(o, path), text)
#define CHECK_NUMBER(o, path, number) CU_ASSERT_EQUAL(json_object_get_uint64(at(o, path)), number)
#define CHECK_COUNT(o, path, n) CU_ASSERT_EQUAL(json_object_array_length(at(o, path)), n)

static void graph_of_the_case(void)
{
	struct model *m = fixture_case();
	struct json_object *o = render(m, FIXTURE_GRAPH);

	CHECK_NUMBER(o, "format_version", 1);
	CHECK_COUNT(o, "processes", 3);
	CHECK_TEXT(o, "processes/0/state", "killed");
	CHECK_COUNT(o, "locks", 1);
	CHECK_TEXT(o, "locks/0/file", FIXTURE_PATH);
	CHECK_NUMBER(o, "locks/0/dev", 0x801);
	CHECK_NUMBER(o, "locks/0/ino", 12);
	CHECK_TEXT(o, "locks/0/kind", "posix");
	CHECK_TEXT(o, "locks/0/mode", "write");
	CHECK_NUMBER(o, "locks/0/start", 0);
	CHECK_NUMBER(o, "locks/0/end", 99);
	CHECK_COUNT(o, "locks/0/holders", 1);
	CHECK_COUNT(o, "locks/0/waiters", 2);
	CHECK_NUMBER(o, "locks/0/holders/0/pid", 3301);
	CHECK_NUMBER(o, "locks/0/holders/0/for_ns", UINT64_C(60000000000));
	CHECK_NUMBER(o, "locks/0/holders/0/since_ns", UINT64_C(1425211140000000000));
	CHECK_TEXT(o, "locks/0/holders/0/stack/1/function", "lock_index");
	CHECK_NUMBER(o, "locks/0/waiters/0/blocked_by", 3301);
	CHECK_TEXT(o, "locks/0/waiters/1/state", "polling");
	CHECK_NUMBER(o, "locks/0/waiters/1/tries", 37);
	CU_ASSERT_PTR_NULL(at(o, "locks/0/waiters/0/end")); /* to the end: null */
	CHECK_TEXT(o, "findings/0/kind", "deadlock-heap");
	CHECK_TEXT(o, "findings/0/severity", "error");
	CHECK_NUMBER(o, "findings/0/pids/0", 3301);
	CHECK_TEXT(o, "findings/0/stacks/0/frames/2/address", "0x80b7557");
	CHECK_TEXT(o, "findings/0/stacks/0/frames/5/kind", "signal");
	CHECK_COUNT(o, "backtraces", 2);
	CHECK_COUNT(o, "notes", 0);
	json_object_put(o);
	model_free(m);
}

static void odd_names(void)
{
	struct model *m = model_new();
	uint32_t file = fixture_file(m, 1, "/tmp/\xff\n\"");
	struct json_object *o;

	fixture_lock(m, LOCK_HELD, fixture_process(m, 5, "/bin/\xc3x"), file);
	fixture_lock(m, LOCK_WAITING, MODEL_NONE, fixture_file(m, 2, ""));
	o = render(m, FIXTURE_GRAPH);
	CHECK_TEXT(o, "locks/1/file", "/tmp/\xef\xbf\xbd\n\"");
	CHECK_TEXT(o, "locks/1/file_hex", "2f746d702fff0a22");
	CHECK_TEXT(o, "processes/0/name", "/bin/\xef\xbf\xbdx");
	CU_ASSERT_PTR_NULL(at(o, "locks/0/file"));
	CHECK_COUNT(o, "locks/0/holders", 0);
	CHECK_COUNT(o, "locks/0/waiters", 1);
	CU_ASSERT_PTR_NULL(at(o, "locks/0/waiters/0/pid"));
	json_object_put(o);
	model_free(m);
}

static void signals_of_the_case(void)
{
	struct model *m = fixture_case();
	struct json_object *o = render(m, FIXTURE_SIGNALS);

	CHECK_TEXT(o, "signals/0/signal", "SIGALRM");
	CHECK_TEXT(o, "signals/0/flags", "SA_RESTART");
	CHECK_NUMBER(o, "signals/0/deliveries", 3);
	CHECK_TEXT(o, "signals/0/calls/0/function", "malloc");
	CHECK_NUMBER(o, "signals/0/calls/0/in_interrupted_allocator", 2);
	json_object_put(o);
	model_free(m);
}

static void holders_are_one_entry(void)
{
	struct model *m = model_new();
	uint32_t file = fixture_file(m, 1, "/f");
	struct json_object *o;

	for (pid_t pid = 1; pid <= 3; pid++) {
		uint32_t lock = fixture_lock(m, LOCK_HELD, fixture_process(m, pid, "/r"), file);

		m->locks.items[lock].mode = MODE_READ;
	}
	fixture_wait(m, fixture_process(m, 9, "/w"), file, 0);
	o = render(m, FIXTURE_GRAPH);
	CU_ASSERT_EQUAL(json_object_array_length(at(o, "locks/0/waiters")), 1);
	CHECK_NUMBER(o, "locks/0/waiters/0/pid", 9);
	json_object_put(o);
	model_free(m);
}

static const struct unit_test tests[] = {
	{ "the graph of the first case", graph_of_the_case },
	{ "names that are no UTF-8 are still JSON", odd_names },
	{ "signals", signals_of_the_case },
	{ "readers of one lock", holders_are_one_entry },
	{ NULL, NULL },
};
const struct unit_suite unit_render_json = { tests };
