/*
 * What the files of the JSON renderer share: building objects. The form is documented in
 * docs/json.md.
 */
#ifndef LOCKJAM_JSON_H
#define LOCKJAM_JSON_H

#include <json-c/json.h>

#include "cli/view.h"

#define JSON_FORMAT_VERSION 1

/* Members. NULL texts become null. Bytes that are no UTF-8 become U+FFFD each. */
void json_add(struct json_object *o, const char *key, struct json_object *value);
void json_add_text(struct json_object *o, const char *key, const char *text);
void json_add_number(struct json_object *o, const char *key, uint64_t number);
void json_add_int(struct json_object *o, const char *key, int64_t number);
void json_add_bool(struct json_object *o, const char *key, bool value);
void json_add_hex(struct json_object *o, const char *key, uint64_t number);
/* A point in time of the model's clock as CLOCK_REALTIME, null if unknown. */
void json_add_time(struct json_object *o, const char *key, const struct model *m, uint64_t ns);
/* A file's name: `key`, and where it is no UTF-8 also `key`_hex with its bytes. */
void json_add_path(struct json_object *o, const char *key, const char *path);
/* pid of a process, null for MODEL_NONE. */
void json_add_pid(struct json_object *o, const char *key, const struct model *m, uint32_t process);

struct json_object *json_frames(struct view *v, uint32_t stack);
struct json_object *json_processes(const struct view *v);
struct json_object *json_locks(struct view *v);
const char *json_lock_kind(enum lock_kind kind);
/* Locks by their index in model.uses: what code held that a handler came into. */
struct json_object *json_held(struct view *v, const uint32_t *held, uint32_t count);
/* All that a handler came into, with how often. */
struct json_object *json_interrupted_locks(struct view *v, uint32_t handler);
struct json_object *json_waits(const struct view *v);
struct json_object *json_findings(struct view *v);
struct chain;
struct json_object *json_why(struct view *v, const struct chain *c);
struct json_object *json_signals(struct view *v);
struct json_object *json_dispositions(const struct view *v);

#endif
