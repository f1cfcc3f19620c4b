/* Waiting for files: epoll, whose events are packed on x86-64 only, and calls with a signal mask.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>

#include "process/linux/host_call.h"
#include "process/linux/process.h"

#ifndef SYS_epoll_pwait2 /* Linux 5.11 */
#define SYS_epoll_pwait2 441
#endif

struct guest_epoll_event {
    uint32_t events, pad;
    uint64_t data;
};

enum { EVENTS_AT_ONCE = 1024 };

long sys_epoll_ctl(struct thread *t, const uint64_t *a)
{
    struct guest_epoll_event g = {0};
    if ((int)a[1] != EPOLL_CTL_DEL && guest_read(thread_arena(t), &g, a[3], sizeof(g)) < 0)
        return -EFAULT;
    struct epoll_event e = {.events = g.events, .data.u64 = g.data};
    const uint64_t args[6] = {a[0], a[1], a[2], (uint64_t)&e};
    return syscall_host(t, SYS_epoll_ctl, args);
}

/* The mask at `va`, if there is one, is in force until the call ends. */
static int begin_mask(struct thread *t, gva_t va, uint64_t size)
{
    uint64_t mask;
    if (!va)
        return 0;
    if (size != sizeof(mask))
        return -EINVAL;
    if (guest_read(thread_arena(t), &mask, va, sizeof(mask)) < 0)
        return -EFAULT;
    signals_set_temporary_mask(t, mask);
    return 0;
}

/* A signal that came under the temporary mask ends the wait, even if it had not begun. */
static long end_mask(struct thread *t, long result)
{
    return result == HOST_CALL_STOPPED && t->sig.restore ? -EINTR : result;
}

static long epoll_wait_with(struct thread *t, const uint64_t *a, long nr, uint64_t timeout)
{
    int max = (int)a[2];
    if (max <= 0 || max > INT_MAX / (int)sizeof(struct guest_epoll_event))
        return -EINVAL;
    max = MIN(max, EVENTS_AT_ONCE);
    struct epoll_event events[EVENTS_AT_ONCE];
    struct guest_epoll_event out[EVENTS_AT_ONCE];
    int r = begin_mask(t, a[4], a[5]);
    if (r < 0)
        return r;
    const uint64_t args[6] = {a[0], (uint64_t)events, (uint64_t)max, timeout};
    long n = end_mask(t, syscall_host(t, nr, args));
    for (long i = 0; i < n; i++)
        out[i] = (struct guest_epoll_event){.events = events[i].events, .data = events[i].data.u64};
    if (n > 0 && guest_write(thread_arena(t), a[1], out, (size_t)n * sizeof(out[0])) < 0)
        return -EFAULT;
    return n;
}

long sys_epoll_pwait(struct thread *t, const uint64_t *a)
{
    return epoll_wait_with(t, a, SYS_epoll_pwait, a[3]);
}

long sys_epoll_pwait2(struct thread *t, const uint64_t *a)
{
    void *timeout = a[3] ? guest_ptr(thread_arena(t), a[3], sizeof(struct timespec)) : NULL;
    if (a[3] && !timeout)
        return -EFAULT;
    return epoll_wait_with(t, a, SYS_epoll_pwait2, (uint64_t)timeout);
}

long sys_ppoll(struct thread *t, const uint64_t *a)
{
    int r = begin_mask(t, a[3], a[4]);
    if (r < 0)
        return r;
    const uint64_t args[6] = {a[0], a[1], a[2]};
    return end_mask(t, syscall_pass(t, SYS_ppoll, "PuPP", args));
}

long sys_pselect6(struct thread *t, const uint64_t *a)
{
    uint64_t set[2] = {0}; /* where the mask is, and its size */
    if (a[5] && guest_read(thread_arena(t), set, a[5], sizeof(set)) < 0)
        return -EFAULT;
    int r = begin_mask(t, set[0], set[1]);
    if (r < 0)
        return r;
    const uint64_t args[6] = {a[0], a[1], a[2], a[3], a[4], 0};
    return end_mask(t, syscall_pass(t, SYS_pselect6, "dPPPP", args));
}
