/* From ECALL to the host's call or a function of ours, and back. */
#include "process/linux/syscall.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "process/linux/host_call.h"
#include "process/linux/path.h"
#include "process/linux/process.h"

#ifndef SYS_fchmodat2 /* Linux 6.6 */
#define SYS_fchmodat2 452
#endif

enum { REG_A0 = 10, REG_A7 = 17 };

#define SYSCALL_PASS(nr, sysname, letters, fl)                                                     \
    [nr] = {.name = #sysname, .args = letters, .host = SYS_##sysname, .flags = (fl)},
#define SYSCALL_OWN(nr, sysname, letters, fl)                                                      \
    [nr] = {.name = #sysname, .args = letters, .fn = sys_##sysname, .flags = (fl)},
static const struct syscall_desc table[SYSCALL_MAX] = {
#include "process/linux/syscalls.inc"
};
#undef SYSCALL_PASS
#undef SYSCALL_OWN

const struct syscall_desc *syscall_find(uint64_t nr)
{
    return nr < SYSCALL_MAX && table[nr].name ? &table[nr] : NULL;
}

long syscall_host(struct thread *t, long nr, const uint64_t args[6])
{
    return host_call(&t->sig.captured, nr, args);
}

/* Host forms of arguments that do not fit into a register. */
struct passed {
    uint64_t args[6];
    struct iovec iov[IOV_MAX];
    char paths[2][PATH_MAX];
    unsigned npaths;
};

static int pass_pointer(struct thread *t, uint64_t *arg, uint64_t len)
{
    if (!*arg)
        return 0;
    void *p = guest_ptr(thread_arena(t), *arg, len);
    if (!p)
        return -EFAULT;
    *arg = (uint64_t)p;
    return 0;
}

int pass_iov(struct thread *t, struct iovec *out, gva_t va, uint64_t n)
{
    if (n > IOV_MAX)
        return -EINVAL;
    if (guest_read(thread_arena(t), out, va, n * sizeof(*out)) < 0)
        return -EFAULT;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t base = (uint64_t)out[i].iov_base;
        if (out[i].iov_len && pass_pointer(t, &base, out[i].iov_len) < 0)
            return -EFAULT;
        out[i].iov_base = (void *)base;
    }
    return 0;
}

static int pass_iovec(struct thread *t, struct passed *p, unsigned i)
{
    int r = pass_iov(t, p->iov, p->args[i], p->args[i + 1]);
    p->args[i] = (uint64_t)p->iov;
    return r;
}

static int pass_path(struct thread *t, struct passed *p, unsigned i)
{
    char *path = p->paths[p->npaths++ & 1];
    gva_t va = p->args[i];
    int r = va ? pass_pointer(t, &p->args[i], 1) : 0;
    if (r < 0 || !va)
        return r;
    int moved = path_translate(t, va, path);
    if (moved > 0)
        p->args[i] = (uint64_t)path;
    return MIN(moved, 0);
}

static int pass_mapped(struct thread *t, uint64_t *arg, uint64_t len)
{
    struct arena *a = thread_arena(t);
    gva_t start = *arg & GUEST_PAGE_MASK, end = start + len + (*arg - start);
    if (!guest_ptr(a, *arg, len))
        return -ENOMEM;
    pthread_mutex_lock(&a->lock);
    bool mapped = area_covers(&a->areas, start, end);
    pthread_mutex_unlock(&a->lock);
    *arg += a->base;
    return mapped ? 0 : -ENOMEM;
}

/* What needs no more room than the register. */
static int pass_plain(struct thread *t, uint64_t *args, char letter, unsigned i)
{
    switch (letter) {
    case 's':
    case 'P':
        return pass_pointer(t, &args[i], 1);
    case 'b':
        /* A size may be an int: of a negative one the kernel complains itself. */
        return pass_pointer(t, &args[i], (int64_t)args[i + 1] < 0 ? 1 : args[i + 1]);
    case 'm':
        return pass_mapped(t, &args[i], args[i + 1]);
    default:
        return 0;
    }
}

static int pass_one(struct thread *t, struct passed *p, char letter, unsigned i)
{
    if (letter == 'V')
        return pass_iovec(t, p, i);
    return letter == 'p' ? pass_path(t, p, i) : pass_plain(t, p->args, letter, i);
}

/* Apart, since it is large and most calls have neither vectors nor paths. */
static __attribute__((noinline)) long pass_large(struct thread *t, long nr, const char *letters,
                                                 const uint64_t args[6])
{
    struct passed p;
    p.npaths = 0;
    memcpy(p.args, args, sizeof(p.args));
    for (unsigned i = 0; letters[i]; i++) {
        int r = pass_one(t, &p, letters[i], i);
        if (r < 0)
            return r;
    }
    return syscall_host(t, nr, p.args);
}

long syscall_pass(struct thread *t, long nr, const char *letters, const uint64_t args[6])
{
    uint64_t moved[6];
    memcpy(moved, args, sizeof(moved));
    for (unsigned i = 0; letters[i]; i++) {
        if (letters[i] == 'V' || letters[i] == 'p')
            return pass_large(t, nr, letters, args);
        int r = pass_plain(t, moved, letters[i], i);
        if (r < 0)
            return r;
    }
    return syscall_host(t, nr, moved);
}

static long unknown(struct thread *t, uint64_t nr)
{
    if (nr < SYSCALL_MAX)
        atomic_fetch_add_explicit(&t->process->unknown[nr], 1, memory_order_relaxed);
    return -ENOSYS;
}

static long call(struct thread *t, const struct syscall_desc *d, uint64_t nr, const uint64_t *args)
{
    atomic_fetch_add_explicit(&t->process->calls, 1, memory_order_relaxed);
    if (!d)
        return unknown(t, nr);
    return d->fn ? d->fn(t, args) : syscall_pass(t, d->host, d->args, args);
}

/* Interrupted, or not even begun: does it begin again after the handler? */
static bool begins_again(struct thread *t, const struct syscall_desc *d, long result)
{
    if (result == HOST_CALL_STOPPED)
        return true;
    return result == -EINTR && d && d->flags & SYSCALL_RESTARTS && atomic_load(&t->sig.captured) &&
           signals_restart(t);
}

void syscall_run(struct thread *t)
{
    struct riscv_cpu *c = &t->cpu;
    uint64_t nr = c->x[REG_A7], args[6];
    const struct syscall_desc *d = syscall_find(nr);
    memcpy(args, &c->x[REG_A0], sizeof(args));
    if (t->process->options->strace)
        strace_enter(t, nr, args);
    c->pc += 4; /* before: what the call saves or copies goes on behind it */
    long result = call(t, d, nr, args);
    if (t->process->options->strace)
        strace_leave(t, nr, result);
    if (begins_again(t, d, result))
        c->pc -= 4;
    else if (!(d && d->flags & SYSCALL_NO_RESULT) || result < 0)
        c->x[REG_A0] = (uint64_t)result;
    signals_end_call(t, result);
}
