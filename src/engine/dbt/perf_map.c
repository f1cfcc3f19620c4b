/* Names for translated code. */
#include "engine/dbt/perf_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

int perf_map_open(struct perf_map *m, struct error *err)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/perf-%ld.map", (long)getpid());
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, errno, "cannot create %s: %s", path, strerror(errno));
    m->file = fdopen(fd, "w");
    if (!m->file) {
        close(fd);
        return error_set(err, ENOMEM, "there is no memory to write %s", path);
    }
    setvbuf(m->file, NULL, _IOLBF, 0); /* perf top reads it while we run */
    return 0;
}

void perf_map_add(struct perf_map *m, const void *start, size_t len, const char *fmt, ...)
{
    char name[128];
    va_list ap;
    if (!m->file)
        return;
    va_start(ap, fmt);
    vsnprintf(name, sizeof(name), fmt, ap);
    va_end(ap);
    fprintf(m->file, "%lx %zx %s\n", (unsigned long)(uintptr_t)start, len, name);
}

void perf_map_close(struct perf_map *m)
{
    if (m->file)
        fclose(m->file);
    m->file = NULL;
}
