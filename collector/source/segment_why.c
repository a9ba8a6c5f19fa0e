/*
 * Why a function is unsafe in handlers, in words. The bits are the shim's table's (enum seg_why),
 * which has them from the marks of glibc's manual.
 */
#include "config.h"

#include "collector/source/source.h"

/* In the order in which they are told: what blocks first. Each goes on from "printf() ...". */
static const struct {
	uint32_t bit;
	const char *clause;
} clauses[] = {
	{SEG_WHY_WAIT, "waits for a lock that the interrupted code may hold"},
	{SEG_WHY_STREAM, "takes a stream's lock and changes its buffer"},
	{SEG_WHY_ZONE, "takes the time zone's lock and may load its file"},
	{SEG_WHY_ENVIRON, "changes the environment under its lock"},
	{SEG_WHY_LOCK, "takes a lock inside libc"},
	{SEG_WHY_HEAP, "may allocate or free memory"},
	{SEG_WHY_DATA, "changes data that all its callers share"},
	{SEG_WHY_BUFFER, "gives its result in a static buffer"},
	{SEG_WHY_LOCALE, "may load translations"},
	{SEG_WHY_NAMES, "asks the name service's modules"},
	{SEG_WHY_LOADER, "may load a library"},
	{SEG_WHY_CODE, "runs functions of the program"},
	{SEG_WHY_FIRST, "prepares itself at its first call"},
	{SEG_WHY_NAMED, "is on the user's list of unsafe functions"},
	{SEG_WHY_SAFE, "is not on POSIX's list of safe functions, but glibc's manual promises it"},
};
#define CLAUSES (sizeof(clauses) / sizeof(clauses[0]))

const char *segment_why_text(struct model *m, uint32_t why)
{
	const char *text = NULL, *last = NULL;

	for (size_t i = 0; i < CLAUSES; i++) {
		if (!(why & clauses[i].bit))
			continue;
		if (last)
			text = text ? model_stringf(m, "%s, %s", text, last) : last;
		last = clauses[i].clause;
	}
	return text ? model_stringf(m, "%s, and %s", text, last) : last;
}
