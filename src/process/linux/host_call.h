/*
 * Three things that must be done by a few known instructions, so that signal handlers can tell by
 * the program counter what was under way:
 *
 * - A system call that is not entered once a signal was captured. Without it, a signal that comes
 *   between the look at `stop` and the call would wait until a blocking call ends by itself.
 * - A copy from or to guest memory, which may not be there.
 * - A compare-and-swap on guest memory, likewise.
 */
#ifndef DOPPEL_PROCESS_LINUX_HOST_CALL_H
#define DOPPEL_PROCESS_LINUX_HOST_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "base/compiler.h"

/* host_call() did not enter the call: *stop was set. (Linux's own number for that inside the
 * kernel, which programs never see.) */
#define HOST_CALL_STOPPED (-512)

/* Host system call `nr`; its result or -errno, or HOST_CALL_STOPPED. */
long host_call(const _Atomic uint32_t *stop, long nr, const uint64_t args[6]);

/* 0 or -EFAULT; then a part may have been copied. */
long host_copy(void *dst, const void *src, size_t len) must_check;
/* The old value at `p` in the low 32 bits, or -EFAULT. */
long host_cas32(void *p, uint32_t old, uint32_t val) must_check;

/* For signal handlers. A signal came: has a system call yet to be entered? Then it will not be. */
void host_call_interrupt(ucontext_t *uc);
/* An access failed: was it one of those above? It returns -EFAULT then. */
bool host_copy_fault(ucontext_t *uc);

/* What the kernel returns to from a handler (sa_restorer). */
void host_restorer(void);

#endif
