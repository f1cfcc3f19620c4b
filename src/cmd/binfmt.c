/* The registration for binfmt_misc. */
#include "cmd/binfmt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define REGISTER "/proc/sys/fs/binfmt_misc/register"

/* An ELF header of 64 bits, little-endian, a program or library, for machine 243. */
static const char magic[] = "\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"
                            "\\x02\\x00\\xf3\\x00";
static const char mask[] = "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff"
                           "\\xff\\xff\\xfe\\xff\\xff\\xff";

static int link_path(char *out, size_t len)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0)
        return -errno;
    self[n] = 0;
    char *slash = strrchr(self, '/');
    if (slash)
        slash[1] = 0;
    return (size_t)snprintf(out, len, "%s%s", self, BINFMT_PROGRAM) < len ? 0 : -ENAMETOOLONG;
}

/*
 * P: the program's own argv[0] is passed on. F: the interpreter is opened now, so that it is found
 * in a chroot or container, too.
 */
static int line(char *out, size_t len)
{
    char path[PATH_MAX];
    int r = link_path(path, sizeof(path));
    if (r < 0)
        return r;
    int n = snprintf(out, len, ":doppel-riscv64:M::%s:%s:%s:PF\n", magic, mask, path);
    return (size_t)n < len ? n : -ENAMETOOLONG;
}

int binfmt_print(void)
{
    char text[2 * PATH_MAX];
    int n = line(text, sizeof(text));
    if (n < 0) {
        log_error("cannot tell where this program is: %s", strerror(-n));
        return n;
    }
    fputs(text, stdout);
    return 0;
}

static int make_link(struct error *err)
{
    char path[PATH_MAX];
    int r = link_path(path, sizeof(path));
    if (r == 0 && symlink("doppel", path) < 0 && errno != EEXIST)
        r = -errno;
    return r < 0 ? error_set(err, -r, "cannot make %s: %s", BINFMT_PROGRAM, strerror(-r)) : 0;
}

int binfmt_install(struct error *err)
{
    char text[2 * PATH_MAX];
    int n = line(text, sizeof(text));
    int r = n < 0 ? n : make_link(err);
    if (r < 0)
        return r;
    int fd = open(REGISTER, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno,
                         "cannot open " REGISTER ": %s (root, and binfmt_misc mounted?)",
                         strerror(errno));
    if (write(fd, text, (size_t)n) != n)
        r = error_set(err, errno, "Linux refuses the registration: %s", strerror(errno));
    close(fd);
    return r;
}
