/* What the machine is, and limits of the process. */
#include <errno.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "process/linux/process.h"

long sys_uname(struct thread *t, const uint64_t *a)
{
    struct utsname u;
    if (uname(&u) < 0)
        return -errno;
    memset(u.machine, 0, sizeof(u.machine));
    strcpy(u.machine, "riscv64");
    return guest_write(thread_arena(t), a[0], &u, sizeof(u));
}

/* The C library asks the vDSO, which costs a quarter of the call. */
long sys_clock_gettime(struct thread *t, const uint64_t *a)
{
    struct timespec ts;
    if (clock_gettime((clockid_t)a[0], &ts) < 0)
        return -errno;
    return guest_write(thread_arena(t), a[1], &ts, sizeof(ts));
}

/* Only asked, never changed: what it changes would be ours. */
long sys_personality(struct thread *t, const uint64_t *a)
{
    (void)t;
    (void)a;
    return 0;
}

long sys_prctl(struct thread *t, const uint64_t *a)
{
    switch ((int)a[0]) {
    case PR_SET_NAME:
    case PR_GET_NAME:
    case PR_SET_PDEATHSIG + 1: /* PR_GET_PDEATHSIG */
    case PR_GET_CHILD_SUBREAPER:
        return syscall_pass(t, SYS_prctl, "dPxxx", a);
    case PR_SET_PDEATHSIG:
    case PR_SET_DUMPABLE:
    case PR_GET_DUMPABLE:
    case PR_SET_KEEPCAPS:
    case PR_GET_KEEPCAPS:
    case PR_CAPBSET_READ:
    case PR_CAPBSET_DROP:
    case PR_CAP_AMBIENT:
    case PR_SET_NO_NEW_PRIVS:
    case PR_GET_NO_NEW_PRIVS:
    case PR_SET_CHILD_SUBREAPER:
    case PR_SET_TIMERSLACK:
    case PR_GET_TIMERSLACK:
    case PR_SET_SECUREBITS:
    case PR_GET_SECUREBITS:
    case PR_SET_THP_DISABLE:
    case PR_GET_THP_DISABLE:
        return syscall_host(t, SYS_prctl, a);
    default:
        return -EINVAL;
    }
}

/* Limits of memory count the reservation and what is ours: the host must not apply them. */
static bool not_for_host(const struct thread *t, uint64_t what)
{
    /* An engine that makes its code anew in each child makes a file for it. */
    if (what == RLIMIT_FSIZE)
        return t->process->engine->after_fork;
    return what == RLIMIT_AS || what == RLIMIT_DATA;
}

long sys_setrlimit(struct thread *t, const uint64_t *a)
{
    return not_for_host(t, (uint32_t)a[0]) ? 0 : syscall_pass(t, SYS_setrlimit, "dP", a);
}

long sys_prlimit64(struct thread *t, const uint64_t *a)
{
    const uint64_t args[6] = {a[0], a[1], not_for_host(t, (uint32_t)a[1]) ? 0 : a[2], a[3]};
    return syscall_pass(t, SYS_prlimit64, "ddPP", args);
}

/* [Linux, Documentation/riscv/hwprobe]: keys and the bits of their values. */
enum {
    HWPROBE_MVENDORID,
    HWPROBE_MARCHID,
    HWPROBE_MIMPID,
    HWPROBE_BASE_BEHAVIOR, /* bit 0: I, M, A and user code */
    HWPROBE_EXTENSIONS,
    HWPROBE_MISALIGNED, /* 3: fast */
    HWPROBE_CBOZ_SIZE,
};
#define HWPROBE_EXT                                                                                \
    (UINT64_C(1) << 0 /* F, D */ | UINT64_C(1) << 1 /* C */ | UINT64_C(1) << 3 /* Zba */ |         \
     UINT64_C(1) << 4 /* Zbb */ | UINT64_C(1) << 5 /* Zbs */ | UINT64_C(1) << 6 /* Zicboz */ |     \
     UINT64_C(1) << 35 /* Zicond */)

struct hwprobe_pair {
    int64_t key;
    uint64_t value;
};

static void probe(struct hwprobe_pair *p)
{
    static const uint64_t values[] = {
        [HWPROBE_BASE_BEHAVIOR] = 1,
        [HWPROBE_EXTENSIONS] = HWPROBE_EXT,
        [HWPROBE_MISALIGNED] = 3,
        [HWPROBE_CBOZ_SIZE] = 64,
    };
    bool known = p->key >= 0 && (size_t)p->key < ARRAY_SIZE(values);
    p->value = known ? values[p->key] : 0;
    p->key = known ? p->key : -1;
}

/* All harts are the same, so the set that is asked about does not matter. */
long sys_riscv_hwprobe(struct thread *t, const uint64_t *a)
{
    if (a[4])
        return -EINVAL;
    for (uint64_t i = 0; i < a[1]; i++) {
        struct hwprobe_pair p;
        gva_t va = a[0] + i * sizeof(p);
        if (guest_read(thread_arena(t), &p, va, sizeof(p)) < 0)
            return -EFAULT;
        probe(&p);
        if (guest_write(thread_arena(t), va, &p, sizeof(p)) < 0)
            return -EFAULT;
    }
    return 0;
}

/* struct semid64_ds without x86's holes. */
struct guest_semid_ds {
    struct ipc_perm perm;
    int64_t otime, ctime;
    uint64_t nsems, unused[2];
};

static long sem_stat(struct thread *t, const uint64_t *a)
{
    struct semid_ds h;
    const uint64_t args[6] = {a[0], a[1], a[2], (uint64_t)&h};
    long r = syscall_host(t, SYS_semctl, args);
    if (r < 0)
        return r;
    struct guest_semid_ds g = {h.sem_perm, h.sem_otime, h.sem_ctime, h.sem_nsems, {0}};
    int w = guest_write(thread_arena(t), a[3], &g, sizeof(g));
    return w < 0 ? w : r;
}

static long sem_set(struct thread *t, const uint64_t *a)
{
    struct guest_semid_ds g;
    if (guest_read(thread_arena(t), &g, a[3], sizeof(g)) < 0)
        return -EFAULT;
    struct semid_ds h = {.sem_perm = g.perm};
    const uint64_t args[6] = {a[0], a[1], a[2], (uint64_t)&h};
    return syscall_host(t, SYS_semctl, args);
}

long sys_semctl(struct thread *t, const uint64_t *a)
{
    switch ((int)a[2]) {
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY:
        return sem_stat(t, a);
    case IPC_SET:
        return sem_set(t, a);
    case GETALL:
    case SETALL:
    case IPC_INFO:
    case SEM_INFO:
        return syscall_pass(t, SYS_semctl, "dddP", a);
    default: /* a number, or nothing */
        return syscall_host(t, SYS_semctl, a);
    }
}
