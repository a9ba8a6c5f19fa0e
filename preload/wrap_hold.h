/*
 * The bodies of the wrappers of locks of threads: ask, the real call, settle. `busy` looks at libc's
 * object: will the call wait? It decides what is recorded, never what is called.
 */
#ifndef LOCKJAM_WRAP_HOLD_H
#define LOCKJAM_WRAP_HOLD_H

#include "preload/hold.h"
#include "preload/wrap.h"

#define HOLD_ADDRESS(object) ((uint64_t)(uintptr_t)(object))

/* A request that waits; `timed`: not for ever. */
#define HOLD_ACQUIRE(name, kind_, mode_, object, busy, timed, ...)                            \
	do {                                                                                  \
		struct seg_holds *list = hold_quick();                                        \
		int result;                                                                   \
                                                                                              \
		if (shim_likely(list && hold_has_room(list) && !(busy))) {                    \
			struct seg_hold *hold = hold_ask(list, HOLD_ADDRESS(object),          \
							 HOLD_SITE, kind_, mode_);            \
			result = track_functions.name(__VA_ARGS__);                           \
			hold_settle(list, hold, result);                                      \
		} else if (hold_count(busy)) {                                                \
			result = track_functions.name(__VA_ARGS__);                           \
		} else {                                                                      \
			struct hold_call call = {                                             \
				.address = HOLD_ADDRESS(object),                              \
				.site = HOLD_SITE,                                            \
				.kind = kind_,                                                \
				.mode = mode_,                                                \
				.is_busy = busy,                                              \
				.is_timed = timed,                                            \
			};                                                                    \
			hold_begin(&call);                                                    \
			result = track_real()->name(__VA_ARGS__);                             \
			hold_end(&call, result);                                              \
		}                                                                             \
		return result;                                                                \
	} while (0)

/* A request that does not: recorded when it was granted. */
#define HOLD_TRY(name, kind_, mode_, object)                                                  \
	do {                                                                                  \
		int result = track_real()->name(object);                                      \
		struct seg_holds *list;                                                       \
                                                                                              \
		if ((result && result != EOWNERDEAD) || track_level() == TRACK_OFF)           \
			return result;                                                        \
		list = hold_quick();                                                          \
		if (shim_likely(list && hold_has_room(list)))                                 \
			hold_settle(list,                                                     \
				    hold_ask(list, HOLD_ADDRESS(object), HOLD_SITE, kind_,    \
					     mode_),                                          \
				    result);                                                  \
		else if (!hold_count(false))                                                  \
			hold_took(&(struct hold_call){ .address = HOLD_ADDRESS(object),       \
						       .site = HOLD_SITE,                     \
						       .kind = kind_,                         \
						       .mode = mode_ },                       \
				  result);                                                    \
		return result;                                                                \
	} while (0)

#define HOLD_RELEASE(name, object)                                                            \
	do {                                                                                  \
		struct seg_hold *hold = hold_release(HOLD_ADDRESS(object));                   \
		int result = track_real()->name(object);                                      \
                                                                                              \
		if (shim_unlikely(result) && hold)                                            \
			hold_put_back(hold, HOLD_ADDRESS(object));                            \
		return result;                                                                \
	} while (0)

#endif
