/*
 * An entry is the vmlinux file itself with a trailer behind it, so that gdb and objdump can read it
 * in place.
 */
#include "board/boot/unpack_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/endian.h"

#define SUFFIX ".vmlinux"
#define TEMP   ".new-"

enum { KEEP = 4 /* entries, about 30 MiB each */, HOLE = 4096, NAME_SIZE = 16 + sizeof(SUFFIX) };

/* The trailer: this many little-endian 64-bit words at the end of the file. */
enum { T_MAGIC, T_DEV, T_INO, T_SIZE, T_MTIME, T_CTIME, T_LENGTH, T_CHECK, T_WORDS };

#define TRAILER_MAGIC UINT64_C(0x31764c4550504f44) /* "DOPPELv1" */

static uint64_t fnv1a(const uint8_t *p, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    while (len--)
        h = (h ^ *p++) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t to_ns(struct timespec t)
{
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void make_trailer(uint8_t *t, const struct boot_file *kernel, uint64_t length)
{
    le_store64(t + T_MAGIC * 8, TRAILER_MAGIC);
    le_store64(t + T_DEV * 8, kernel->st.st_dev);
    le_store64(t + T_INO * 8, kernel->st.st_ino);
    le_store64(t + T_SIZE * 8, (uint64_t)kernel->st.st_size);
    le_store64(t + T_MTIME * 8, to_ns(kernel->st.st_mtim));
    le_store64(t + T_CTIME * 8, to_ns(kernel->st.st_ctim));
    le_store64(t + T_LENGTH * 8, length);
    le_store64(t + T_CHECK * 8, fnv1a(t, T_CHECK * 8));
}

static void entry_name(const struct boot_file *kernel, char name[NAME_SIZE])
{
    uint8_t t[T_WORDS * 8];
    make_trailer(t, kernel, 0);
    snprintf(name, NAME_SIZE, "%016" PRIx64 SUFFIX, le_load64(t + T_CHECK * 8));
}

/* Opens the folder, making it and its parents when `create`; -1 when that is not possible. */
static int cache_dir(bool create)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char path[PATH_MAX];
    int n;
    if (base && base[0] == '/')
        n = snprintf(path, sizeof(path), "%s/doppel/unpacked", base);
    else if (home && home[0] == '/')
        n = snprintf(path, sizeof(path), "%s/.cache/doppel/unpacked", home);
    else
        return -1;
    if (n < 0 || (size_t)n >= sizeof(path))
        return -1;
    for (char *p = path + 1; create && (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    if (create)
        mkdir(path, 0700);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool trusted(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_uid == geteuid() && !(st->st_mode & 022);
}

/* Is `fd` the entry for `kernel`? Then *length are its bytes without the trailer. */
static bool entry_valid(int fd, const struct boot_file *kernel, uint64_t *length)
{
    uint8_t t[T_WORDS * 8], want[T_WORDS * 8];
    struct stat st;
    if (fstat(fd, &st) || !trusted(&st) || (uint64_t)st.st_size <= sizeof(t))
        return false;
    *length = (uint64_t)st.st_size - sizeof(t);
    make_trailer(want, kernel, *length);
    return pread(fd, t, sizeof(t), (off_t)*length) == (ssize_t)sizeof(t) &&
           !memcmp(t, want, sizeof(t));
}

bool unpack_cache_open(const struct boot_file *kernel, struct boot_file *out)
{
    char name[NAME_SIZE];
    uint64_t length;
    int dir = cache_dir(false);
    if (dir < 0)
        return false;
    entry_name(kernel, name);
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    close(dir);
    if (fd < 0)
        return false;
    if (!entry_valid(fd, kernel, &length)) {
        close(fd);
        return false;
    }
    *out = (struct boot_file){.path = kernel->path, .role = kernel->role, .fd = fd, .size = length};
    return true;
}

static bool write_all(int fd, const uint8_t *p, size_t len, uint64_t off)
{
    while (len) {
        ssize_t n = pwrite(fd, p, len, (off_t)off);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        off += (size_t)n;
        len -= (size_t)n;
    }
    return true;
}

/* The length of the run of zero pages, or of pages that are not, at data[0]. */
static size_t run_length(const uint8_t *data, size_t len, bool *zero)
{
    static const uint8_t none[HOLE];
    size_t at = 0;
    while (at < len) {
        size_t n = MIN(len - at, (size_t)HOLE);
        bool z = !memcmp(data + at, none, n);
        if (at == 0)
            *zero = z;
        else if (z != *zero)
            break;
        at += n;
    }
    return at;
}

static bool write_entry(int fd, const struct boot_file *kernel, const uint8_t *data, size_t len)
{
    uint8_t t[T_WORDS * 8];
    for (size_t at = 0, n; at < len; at += n) {
        bool zero;
        n = run_length(data + at, len - at, &zero);
        if (!zero && !write_all(fd, data + at, n, at))
            return false;
    }
    make_trailer(t, kernel, len);
    return write_all(fd, t, sizeof(t), len) && fsync(fd) == 0;
}

struct entry {
    char name[NAME_SIZE];
    uint64_t mtime;
};

static int newest_first(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->mtime < y->mtime) - (x->mtime > y->mtime);
}

/* Remove all but the KEEP newest entries. Kernels come and go with every update. */
static void prune(int dir)
{
    struct entry list[64];
    size_t n = 0;
    DIR *d = fdopendir(dup(dir));
    if (!d)
        return;
    rewinddir(d);
    for (struct dirent *e; n < ARRAY_SIZE(list) && (e = readdir(d));) {
        struct stat st;
        size_t len = strlen(e->d_name);
        if (len != NAME_SIZE - 1 || strcmp(e->d_name + 16, SUFFIX) != 0 ||
            fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        memcpy(list[n].name, e->d_name, NAME_SIZE);
        list[n++].mtime = to_ns(st.st_mtim);
    }
    closedir(d);
    qsort(list, n, sizeof(list[0]), newest_first);
    for (size_t i = KEEP; i < n; i++)
        unlinkat(dir, list[i].name, 0);
}

void unpack_cache_store(const struct boot_file *kernel, const uint8_t *data, size_t len)
{
    char name[NAME_SIZE], temp[64];
    if (kernel->fd < 0)
        return;
    int dir = cache_dir(true);
    if (dir < 0)
        return;
    entry_name(kernel, name);
    /* A thread stores one entry at a time, so its number makes the name unique. */
    snprintf(temp, sizeof(temp), TEMP "%ld", (long)gettid());
    unlinkat(dir, temp, 0);
    int fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) {
        bool ok = write_entry(fd, kernel, data, len);
        close(fd);
        if (!ok || renameat(dir, temp, dir, name))
            unlinkat(dir, temp, 0);
        prune(dir);
    }
    close(dir);
}
