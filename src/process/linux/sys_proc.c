/*
 * Files of /proc that would show this program instead of the guest: made when they are opened, as
 * memory files with what they say at that moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process/linux/path.h"
#include "process/linux/process.h"

typedef void proc_writer(struct thread *t, FILE *out);

static void write_cmdline(struct thread *t, FILE *out)
{
    for (char **arg = t->process->options->argv; *arg; arg++)
        fwrite(*arg, 1, strlen(*arg) + 1, out);
}

static void write_auxv(struct thread *t, FILE *out)
{
    uint64_t words[64];
    const struct process *p = t->process;
    size_t len = MIN(p->auxv.end - p->auxv.start, sizeof(words));
    if (guest_read(&p->arena, words, p->auxv.start, len) == 0)
        fwrite(words, 1, len, out);
}

/* One line of the host's map, as far as it shows the guest's memory. */
struct host_line {
    gva_t start, end;
    char shared;
    uint64_t offset;
    char rest[PATH_MAX + 64]; /* device, inode, name */
};

static bool parse_line(const struct arena *a, const char *text, struct host_line *l)
{
    uint64_t start, end;
    char prot[5];
    int used = 0;
    if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %n", &start, &end, prot, &l->offset,
               &used) != 4 ||
        start < a->base || end > a->base + a->size)
        return false;
    l->start = start - a->base;
    l->end = end - a->base;
    l->shared = prot[3];
    snprintf(l->rest, sizeof(l->rest), "%s", text + used);
    l->rest[strcspn(l->rest, "\n")] = 0;
    return true;
}

static const char *name_of(const struct thread *t, const struct area *part)
{
    const struct process *p = t->process;
    if (part->start == p->trampoline)
        return "[vdso]";
    if (part->start < p->stack.end && part->end > p->stack.start)
        return "[stack]";
    if (part->start < p->arena.brk && part->end > p->arena.brk_start)
        return "[heap]";
    return NULL;
}

static void write_part(struct thread *t, FILE *out, const struct host_line *l, struct area part)
{
    int column = fprintf(out, "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " ", part.start,
                         part.end, part.prot & PROT_READ ? 'r' : '-',
                         part.prot & PROT_WRITE ? 'w' : '-', part.prot & PROT_EXEC ? 'x' : '-',
                         l->shared, l->offset ? l->offset + (part.start - l->start) : 0);
    const char *name = strchr(l->rest, '/') ? NULL : name_of(t, &part);
    if (name)
        fprintf(out, "00:00 0%*s%s\n", MAX(73 - column - 7, 1), "", name);
    else
        fprintf(out, "%s\n", l->rest);
}

/* The host may have joined what the guest sees as several areas. */
static void write_line(struct thread *t, FILE *out, const struct host_line *l)
{
    const struct area_map *m = &thread_arena(t)->areas;
    const struct area *area = area_at_or_above(m, l->start);
    for (; area && area < m->areas + m->n && area->start < l->end; area++) {
        struct area part = *area;
        part.start = MAX(part.start, l->start);
        part.end = MIN(part.end, l->end);
        write_part(t, out, l, part);
    }
}

static void write_maps(struct thread *t, FILE *out)
{
    struct arena *a = thread_arena(t);
    FILE *host = fopen("/proc/self/maps", "re");
    char *text = NULL;
    size_t cap = 0;
    struct host_line l;
    pthread_mutex_lock(&a->lock);
    while (host && getline(&text, &cap, host) > 0) {
        if (parse_line(a, text, &l))
            write_line(t, out, &l);
    }
    pthread_mutex_unlock(&a->lock);
    free(text);
    if (host)
        fclose(host);
}

/* The host's line, but for the fields that are addresses: 26 to 30 and 45 to 51 of proc(5). */
static void write_stat(struct thread *t, FILE *out)
{
    char text[1024] = "", *rest;
    FILE *host = fopen("/proc/self/stat", "re");
    size_t n = host ? fread(text, 1, sizeof(text) - 1, host) : 0;
    if (host)
        fclose(host);
    text[n] = 0;
    char *name_end = strrchr(text, ')');
    if (!name_end)
        return;
    fprintf(out, "%.*s)", (int)(name_end - text), text);
    unsigned field = 3;
    for (char *word = strtok_r(name_end + 1, " \n", &rest); word;
         word = strtok_r(NULL, " \n", &rest), field++) {
        bool address = (field >= 26 && field <= 30) || (field >= 45 && field <= 51);
        if (field == 28)
            fprintf(out, " %" PRIu64, t->process->stack_top);
        else
            fprintf(out, " %s", address ? "0" : word);
    }
    fputc('\n', out);
}

static void write_cpuinfo(struct thread *t, FILE *out)
{
    (void)t;
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    for (long i = 0; i < n; i++)
        fprintf(out,
                "processor\t: %ld\nhart\t\t: %ld\n"
                "isa\t\t: rv64imafdc_zicbom_zicboz_zicond_zicsr_zifencei_zba_zbb_zbs\n"
                "mmu\t\t: sv39\n\n",
                i, i);
}

static proc_writer *writer_of(const char *path)
{
    const char *own = path_own_proc(path);
    if (!own)
        return strcmp(path, "/proc/cpuinfo") == 0 ? write_cpuinfo : NULL;
    return strcmp(own, "maps") == 0      ? write_maps
           : strcmp(own, "cmdline") == 0 ? write_cmdline
           : strcmp(own, "auxv") == 0    ? write_auxv
           : strcmp(own, "stat") == 0    ? write_stat
                                         : NULL;
}

int proc_open(struct thread *t, const char *path, int flags)
{
    proc_writer *write_it = writer_of(path);
    if (!write_it)
        return -ENOENT;
    if ((flags & O_ACCMODE) != O_RDONLY)
        return -EACCES;
    int fd = memfd_create("proc", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
    int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    FILE *out = copy < 0 ? NULL : fdopen(copy, "w");
    if (!out) {
        int r = -errno;
        if (copy >= 0)
            close(copy);
        if (fd >= 0)
            close(fd);
        return r;
    }
    write_it(t, out);
    fclose(out);
    lseek(fd, 0, SEEK_SET);
    return fd;
}
