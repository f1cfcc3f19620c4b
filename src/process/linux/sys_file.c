/* System calls that name files, and those whose struct stat differs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process/linux/path.h"
#include "process/linux/process.h"

/* struct stat of the generic system call table; x86-64 has its own. */
struct guest_stat {
    uint64_t dev, ino;
    uint32_t mode, nlink, uid, gid;
    uint64_t rdev, pad1;
    int64_t size;
    int32_t blksize, pad2;
    int64_t blocks;
    uint64_t atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec;
    uint32_t unused[2];
};
_Static_assert(sizeof(struct guest_stat) == 128, "stat as in the kernel");

static long put_stat(struct thread *t, gva_t va, const struct stat *s)
{
    struct guest_stat g = {
        .dev = s->st_dev,
        .ino = s->st_ino,
        .mode = s->st_mode,
        .nlink = (uint32_t)s->st_nlink,
        .uid = s->st_uid,
        .gid = s->st_gid,
        .rdev = s->st_rdev,
        .size = s->st_size,
        .blksize = (int32_t)s->st_blksize,
        .blocks = s->st_blocks,
        .atime = (uint64_t)s->st_atim.tv_sec,
        .atime_nsec = (uint64_t)s->st_atim.tv_nsec,
        .mtime = (uint64_t)s->st_mtim.tv_sec,
        .mtime_nsec = (uint64_t)s->st_mtim.tv_nsec,
        .ctime = (uint64_t)s->st_ctim.tv_sec,
        .ctime_nsec = (uint64_t)s->st_ctim.tv_nsec,
    };
    return guest_write(thread_arena(t), va, &g, sizeof(g));
}

long sys_fstat(struct thread *t, const uint64_t *a)
{
    struct stat s;
    const uint64_t args[6] = {a[0], (uint64_t)&s};
    long r = syscall_host(t, SYS_fstat, args);
    return r < 0 ? r : put_stat(t, a[1], &s);
}

long sys_newfstatat(struct thread *t, const uint64_t *a)
{
    char path[PATH_MAX];
    struct stat s;
    if (!a[1])
        return -EFAULT;
    int moved = path_translate(t, a[1], path);
    if (moved < 0)
        return moved;
    const uint64_t args[6] = {a[0], (uint64_t)path, (uint64_t)&s, a[3]};
    long r = syscall_host(t, SYS_newfstatat, args);
    return r < 0 ? r : put_stat(t, a[2], &s);
}

long sys_openat(struct thread *t, const uint64_t *a)
{
    char path[PATH_MAX];
    int moved = path_translate(t, a[1], path);
    if (moved < 0)
        return moved;
    if (strncmp(path, "/proc/", 6) == 0) {
        int fd = proc_open(t, path, (int)a[2]);
        if (fd != -ENOENT)
            return fd;
    }
    const uint64_t args[6] = {a[0], (uint64_t)path, a[2], a[3]};
    return syscall_host(t, SYS_openat, args);
}

static long put_link(struct thread *t, const uint64_t *a, const char *text)
{
    size_t n = MIN(strlen(text), (size_t)a[3]);
    if ((int)a[3] <= 0)
        return -EINVAL;
    int r = guest_write(thread_arena(t), a[2], text, n);
    return r < 0 ? r : (long)n;
}

long sys_readlinkat(struct thread *t, const uint64_t *a)
{
    char path[PATH_MAX];
    ssize_t n = guest_string(thread_arena(t), path, a[1], sizeof(path));
    if (n < 0)
        return n;
    const char *own = path_own_proc(path);
    if (own && strcmp(own, "exe") == 0)
        return put_link(t, a, t->process->exe);
    /* A link inside the sysroot was followed: to the guest it is what it leads to. */
    int moved = path_translate(t, a[1], path);
    if (moved < 0)
        return moved;
    void *out = guest_ptr(thread_arena(t), a[2], (int)a[3] > 0 ? a[3] : 0);
    const uint64_t args[6] = {a[0], (uint64_t)path, (uint64_t)out, a[3]};
    return out ? syscall_host(t, SYS_readlinkat, args) : -EFAULT;
}
