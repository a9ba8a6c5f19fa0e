/*
 * What findings.def says of each kind of finding.
 */
#ifndef LOCKJAM_FINDINGS_H
#define LOCKJAM_FINDINGS_H

#include "collector/model/model.h"

/* id, title, explanation and advice of a kind (collector/model/findings.def). */
struct finding_info {
	const char *id, *title, *explanation, *advice;
	enum severity severity;
};
const struct finding_info *finding_info(enum finding_kind kind);
const char *severity_name(enum severity severity);

#endif
