/*
 * System calls of the guest, by the numbers and structures of riscv64 Linux. Most have the same
 * structures on x86-64 and only their pointers need moving into the arena: syscalls.inc says by a
 * word of letters what each argument is. The others have functions, in sys_*.c.
 */
#ifndef DOPPEL_PROCESS_LINUX_SYSCALL_H
#define DOPPEL_PROCESS_LINUX_SYSCALL_H

#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/compiler.h"

struct thread;
struct process;

enum { SYSCALL_MAX = 512 };

enum syscall_flags {
    SYSCALL_RESTARTS = 1 << 0,  /* begins again after a handler with SA_RESTART */
    SYSCALL_NO_RESULT = 1 << 1, /* sets the registers itself, unless it fails */
};

/*
 * Letters of `args`: d, i: int; l: long; u: unsigned; x: flags; o: mode; z: size. And pointers:
 * s: string; p: path of something that exists, looked for in the sysroot first; P: structure;
 * b: buffer of as many bytes as the next argument says; V: vector of buffers, their number next;
 * m: memory of so many bytes that must be mapped, or the call fails with ENOMEM; a: address that is
 * not followed.
 */
struct syscall_desc {
    const char *name, *args;
    long (*fn)(struct thread *t, const uint64_t *a); /* NULL: the host's call */
    long host;
    unsigned flags;
};

/* What `nr` is, or NULL. */
const struct syscall_desc *syscall_find(uint64_t nr);
/* The ECALL at c->pc, with its result; pc moves on, or not when the call begins again. */
void syscall_run(struct thread *t);

/* A host call with these arguments as they are; -errno, or HOST_CALL_STOPPED. May block. */
long syscall_host(struct thread *t, long nr, const uint64_t args[6]);
/* As syscalls.inc would: with pointers moved by the letters. */
long syscall_pass(struct thread *t, long nr, const char *letters, const uint64_t args[6]);

/* --strace: before and after a call. */
void strace_enter(struct thread *t, uint64_t nr, const uint64_t *args);
void strace_leave(struct thread *t, uint64_t nr, long result);

/* The functions, called with six arguments; result, -errno, or HOST_CALL_STOPPED. */
#define SYSCALL_PASS(nr, name, letters, flags)
#define SYSCALL_OWN(nr, name, letters, flags) long sys_##name(struct thread *t, const uint64_t *a);
#include "process/linux/syscalls.inc"
#undef SYSCALL_PASS
#undef SYSCALL_OWN

#endif
