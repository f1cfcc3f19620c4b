/*
 * Messages to the user on standard error: one line each, prefixed "doppel: ". Thread-safe.
 */
#ifndef DOPPEL_BASE_LOG_H
#define DOPPEL_BASE_LOG_H

#include <stdbool.h>

#include "base/compiler.h"

void log_error(const char *fmt, ...) printf_like(1, 2);
void log_warn(const char *fmt, ...) printf_like(1, 2);
void log_info(const char *fmt, ...) printf_like(1, 2);

/* Lines from log_info and log_warn are dropped while quiet. Errors always show. */
void log_set_quiet(bool quiet);

/*
 * A guest-triggerable warning: says `fmt` the first time for this `*once`, then stays silent, so a
 * guest cannot flood the terminal. `once` lives in the device or vCPU, never in a static.
 */
void log_warn_once(_Atomic bool *once, const char *fmt, ...) printf_like(2, 3);

#endif
