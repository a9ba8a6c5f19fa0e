/*
 * The table of findings, findings.def, as data.
 */
#include "collector/model/findings.h"

static const struct finding_info infos[FINDING_KINDS] = {
#define FINDING(name, id, severity, title, explanation, advice)                                    \
	[FINDING_##name] = {id, title, explanation, advice, SEVERITY_##severity},
#include "collector/model/findings.def"
#undef FINDING
};

const struct finding_info *finding_info(enum finding_kind kind)
{
	return &infos[kind];
}

const char *severity_name(enum severity severity)
{
	static const char *const names[] = {
		[SEVERITY_NOTE] = "note",
		[SEVERITY_WARNING] = "warning",
		[SEVERITY_ERROR] = "error",
	};

	return names[severity];
}
