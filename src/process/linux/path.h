/*
 * Names of files as the guest sees them. With --sysroot DIR, what exists below DIR hides what the
 * host has under the same absolute name; and /proc/self/exe is the guest's program.
 */
#ifndef DOPPEL_PROCESS_LINUX_PATH_H
#define DOPPEL_PROCESS_LINUX_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "base/addr.h"
#include "base/compiler.h"

struct process;
struct thread;

/*
 * The host's name for the guest's path at `va` into `out` (PATH_MAX bytes): 1; 0: it is the same,
 * and out may hold anything; -errno.
 */
int path_translate(struct thread *t, gva_t va, char *out) must_check;
/* The same for a path in our own memory; `out` always gets the name. */
int path_translate_host(const char *sysroot, const char *path, char *out) must_check;
/* "maps" of /proc/self/maps, /proc/1234/maps and so on when it is this process; else NULL. */
const char *path_own_proc(const char *path);

/* A new file descriptor with what /proc/self/NAME says about the guest; -ENOENT: not one of those
 * that differ from the host's. */
int proc_open(struct thread *t, const char *path, int flags) must_check;

/* A vector of buffers of the guest's, as the kernel takes it. -EINVAL: too many; -EFAULT. */
int pass_iov(struct thread *t, struct iovec *out, gva_t va, uint64_t n) must_check;

#endif
