/* Names of files: the sysroot, and the links of /proc that show what runs. */
#include "process/linux/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process/linux/process.h"

/*
 * What `path` is below the sysroot, links followed inside it as after a chroot(2); false: nothing.
 * The last component is not followed: the call that asked decides about that.
 */
static bool below_sysroot(const char *sysroot, const char *path, char *out)
{
    int dir = open(sysroot, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return false;
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
    close(dir);
    if (fd < 0)
        return false;
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%ld", fd);
    ssize_t n = readlink(link, out, PATH_MAX - 1);
    close((int)fd);
    if (n <= 0)
        return false;
    out[n] = 0;
    return true;
}

int path_translate_host(const char *sysroot, const char *path, char *out)
{
    if (sysroot && path[0] == '/' && path[1] && below_sysroot(sysroot, path, out))
        return 1;
    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    strcpy(out, path);
    return 0;
}

const char *path_own_proc(const char *path)
{
    if (strncmp(path, "/proc/", 6) != 0)
        return NULL;
    path += 6;
    char pid[16];
    int n = snprintf(pid, sizeof(pid), "%d/", getpid());
    if (strncmp(path, "self/", 5) == 0)
        return path + 5;
    if (strncmp(path, "thread-self/", 12) == 0)
        return path + 12;
    return strncmp(path, pid, (size_t)n) == 0 ? path + n : NULL;
}

int path_translate(struct thread *t, gva_t va, char *out)
{
    const struct process *p = t->process;
    char path[PATH_MAX];
    ssize_t n = guest_string(thread_arena(t), path, va, sizeof(path));
    if (n < 0)
        return (int)n;
    const char *own = path_own_proc(path);
    if (own && strcmp(own, "exe") == 0) {
        if (strlen(p->exe) >= PATH_MAX)
            return -ENAMETOOLONG;
        strcpy(out, p->exe);
        return 1;
    }
    return path_translate_host(own ? NULL : p->options->sysroot, path, out);
}
