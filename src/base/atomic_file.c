/* A file that appears whole or not at all. */
#include "base/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int atomic_file_open(struct atomic_file *f, const char *path, struct error *err)
{
    struct stat st;

    *f = (struct atomic_file){.fd = -1};
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return error_set(err, EINVAL, "%s: not a regular file", path);
    /* Through a symbolic link its target is replaced, not the link. */
    f->path = realpath(path, NULL);
    if (!f->path)
        f->path = strdup(path);
    if (!f->path)
        return error_set(err, ENOMEM, "%s: no memory", path);
    if (asprintf(&f->tmp, "%s.XXXXXX", f->path) < 0) {
        f->tmp = NULL;
        atomic_file_discard(f);
        return error_set(err, ENOMEM, "%s: no memory", path);
    }
    f->fd = mkostemp(f->tmp, O_CLOEXEC);
    if (f->fd < 0) {
        int rc = error_set(err, errno, "%s: cannot write here: %s", path, strerror(errno));
        free(f->tmp);
        f->tmp = NULL;
        atomic_file_discard(f);
        return rc;
    }
    return 0;
}

/* The new name itself reaches the disk with its directory. */
static int sync_directory(const char *path)
{
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0)
        return -errno;
    int rc = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

int atomic_file_commit(struct atomic_file *f, struct error *err)
{
    int rc = fsync(f->fd) < 0 ? -errno : 0;
    if (!rc && rename(f->tmp, f->path) < 0)
        rc = -errno;
    if (!rc) {
        free(f->tmp);
        f->tmp = NULL; /* it has another name now: nothing to unlink */
        /* Some file systems cannot sync a directory; the content is safe all the same. */
        (void)sync_directory(f->path);
    } else {
        error_set(err, -rc, "%s: cannot write: %s", f->path, strerror(-rc));
    }
    atomic_file_discard(f);
    return rc;
}

void atomic_file_discard(struct atomic_file *f)
{
    if (!f->path)
        return;
    if (f->fd >= 0)
        close(f->fd);
    if (f->tmp)
        unlink(f->tmp);
    free(f->tmp);
    free(f->path);
    *f = (struct atomic_file){.fd = -1};
}
