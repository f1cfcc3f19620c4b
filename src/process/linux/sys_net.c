/* Messages on sockets: the header is the same on both, but it is full of pointers. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "process/linux/host_call.h"
#include "process/linux/path.h"
#include "process/linux/process.h"

enum { MESSAGES_MAX = 64 };

struct message {
    struct msghdr hdr;
    struct iovec iov[IOV_MAX];
};

/* The guest's header at `va`, with the host's addresses. */
static int get_message(struct thread *t, struct message *m, gva_t va)
{
    struct arena *a = thread_arena(t);
    struct msghdr *h = &m->hdr;
    if (guest_read(a, h, va, sizeof(*h)) < 0)
        return -EFAULT;
    if (h->msg_iovlen > IOV_MAX)
        return -EMSGSIZE;
    int r = pass_iov(t, m->iov, (gva_t)h->msg_iov, h->msg_iovlen);
    if (r < 0)
        return r;
    h->msg_iov = m->iov;
    if (h->msg_name)
        h->msg_name = guest_ptr(a, (gva_t)h->msg_name, h->msg_namelen);
    gva_t control = (gva_t)h->msg_control;
    if (control && h->msg_controllen)
        h->msg_control = guest_ptr(a, control, h->msg_controllen);
    return control && h->msg_controllen && !h->msg_control ? -EFAULT : 0;
}

/* What receiving changes in the header. */
static int put_message(struct thread *t, const struct message *m, gva_t va)
{
    struct msghdr h;
    if (guest_read(thread_arena(t), &h, va, sizeof(h)) < 0)
        return -EFAULT;
    h.msg_namelen = m->hdr.msg_namelen;
    h.msg_controllen = m->hdr.msg_controllen;
    h.msg_flags = m->hdr.msg_flags;
    return guest_write(thread_arena(t), va, &h, sizeof(h));
}

static long one_message(struct thread *t, long nr, int fd, gva_t va, uint64_t flags)
{
    struct message m;
    int r = get_message(t, &m, va);
    if (r < 0)
        return r;
    const uint64_t args[6] = {(uint64_t)fd, (uint64_t)&m.hdr, flags};
    long n = syscall_host(t, nr, args);
    if (n >= 0 && nr == SYS_recvmsg && put_message(t, &m, va) < 0)
        return -EFAULT;
    return n;
}

long sys_sendmsg(struct thread *t, const uint64_t *a)
{
    return one_message(t, SYS_sendmsg, (int)a[0], a[1], a[2]);
}

long sys_recvmsg(struct thread *t, const uint64_t *a)
{
    return one_message(t, SYS_recvmsg, (int)a[0], a[1], a[2]);
}

/* Several: one after the other, as the kernel does it; later ones only if they need not wait. */
static long messages(struct thread *t, long nr, const uint64_t *a, uint64_t flags)
{
    unsigned n = MIN((unsigned)a[2], MESSAGES_MAX), done = 0;
    long r = 0;
    for (; done < n; done++) {
        gva_t va = a[1] + done * sizeof(struct mmsghdr);
        r = one_message(t, nr, (int)a[0], va, flags);
        if (r < 0)
            break;
        uint32_t len = (uint32_t)r;
        if (guest_write(thread_arena(t), va + offsetof(struct mmsghdr, msg_len), &len, 4) < 0)
            return -EFAULT;
        if (nr == SYS_recvmsg && a[3] & MSG_WAITFORONE)
            flags |= MSG_DONTWAIT;
    }
    return done ? (long)done : r;
}

long sys_sendmmsg(struct thread *t, const uint64_t *a)
{
    return messages(t, SYS_sendmsg, a, a[3]);
}

long sys_recvmmsg(struct thread *t, const uint64_t *a)
{
    return messages(t, SYS_recvmsg, a, a[3] & ~(uint64_t)MSG_WAITFORONE);
}
