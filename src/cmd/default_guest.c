/*
 * Finding the default guest's files, and making its scratch disk.
 */
#include "cmd/default_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_SIZE (INT64_C(1) << 30)

static void cache_path(char buf[PATH_MAX], const char *file)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (xdg && *xdg)
        snprintf(buf, PATH_MAX, "%s/doppel/%s", xdg, file);
    else
        snprintf(buf, PATH_MAX, "%s/.cache/doppel/%s", home ? home : "", file);
}

static int need(char **field, const char *file, const char *target, struct error *err)
{
    char path[PATH_MAX];
    if (*field)
        return 0;
    cache_path(path, file);
    if (access(path, R_OK) != 0)
        return error_set(err, ENOENT,
                         "the default guest's %s is not there; `make %s` in doppel's source "
                         "folder fetches it, or give --kernel FILE",
                         path, target);
    return config_set(field, path, err);
}

/* A sparse file; every machine of the user's that runs alone gets the same one. */
static int scratch_disk(struct config *c, struct error *err)
{
    char path[PATH_MAX];
    cache_path(path, "scratch.raw");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, errno, "cannot make the scratch disk %s: %s", path, strerror(errno));
    struct stat st;
    int r = fstat(fd, &st);
    if (r == 0 && st.st_size == 0)
        r = ftruncate(fd, SCRATCH_SIZE);
    int e = errno;
    close(fd);
    if (r != 0)
        return error_set(err, e, "cannot make the scratch disk %s: %s", path, strerror(e));
    return config_add_disk(c, path, err);
}

struct files {
    const struct board *board;
    const char *kernel, *initrd; /* in the cache */
    const char *target;          /* of the Makefile that puts them there */
};

static const struct files *files_of(const struct board *board)
{
    static const struct files all[] = {
        {&board_pc, "guest/cloud/vmlinuz", "guest/cloud/initramfs-shell.cpio", "guest"},
        {&board_virt, "guest/riscv64/vmlinux", "guest/riscv64/initramfs-shell.cpio",
         "guest-riscv64"},
    };
    return &all[board == &board_virt];
}

int default_guest(struct config *c, struct error *err)
{
    const struct files *f = files_of(c->board);
    int r = need(&c->kernel, f->kernel, f->target, err);
    if (r == 0)
        r = need(&c->initrd, f->initrd, f->target, err);
    if (r == 0 && !c->append)
        r = config_set(&c->append, "console=ttyS0 quiet", err);
    if (r == 0 && c->ndisks == 0)
        r = scratch_disk(c, err);
    if (r == 0 && c->nnets == 0)
        r = config_add_net(c, "user", err);
    return r;
}
