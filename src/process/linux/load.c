/* Mapping a program's files. */
#include "process/linux/load.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/linux/path.h"
#include "process/linux/program.h"

/* Programs that may lie anywhere begin at two thirds of the space; their linker is mapped as a
 * library would be. */
#define PIE_BASE (ARENA_SIZE / 3 * 2 & GUEST_PAGE_MASK)

struct elf_file {
    int fd;
    char path[PATH_MAX];
    struct program_image image;
    gva_t bias;
};

static int read_head(struct elf_file *f, struct error *err)
{
    uint8_t head[PROGRAM_HEAD_SIZE];
    struct stat st;
    if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode))
        return error_set(err, EACCES, "is no regular file");
    ssize_t n = pread(f->fd, head, sizeof(head), 0);
    if (n < 0)
        return error_set(err, errno, "cannot be read: %s", strerror(errno));
    return program_parse(&f->image, head, (size_t)n, (uint64_t)st.st_size, err);
}

static int open_elf(struct elf_file *f, struct error *err)
{
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        return error_set(err, errno, "cannot open %s: %s", f->path, strerror(errno));
    int r = read_head(f, err);
    if (r == 0)
        return 0;
    char why[sizeof(err->text)];
    memcpy(why, err->text, sizeof(why));
    close(f->fd);
    return error_set(err, -r, "%s %s", f->path, why);
}

/* Memory behind what the file gives; in the page where that ends zeroes, to the page's end: the
 * dynamic linker's first memory begins behind its own. */
static int map_bss(struct arena *a, const struct program_segment *s, gva_t va)
{
    gva_t file_end = va + s->file_len, end = va + s->mem_len;
    gva_t page = (file_end + GUEST_PAGE_SIZE - 1) & GUEST_PAGE_MASK;
    if (s->mem_len == s->file_len)
        return 0;
    /* Pages that nobody may write to are as the file has them: Linux does not clear them either. */
    if (page > file_end && s->prot & PROT_WRITE && guest_zero(a, file_end, page - file_end) < 0)
        return -EFAULT;
    if (end <= page)
        return 0;
    struct area area = {page, (end + GUEST_PAGE_SIZE - 1) & GUEST_PAGE_MASK, s->prot, 0};
    return arena_map(a, area, (struct arena_source){.fd = -1, .flags = MAP_PRIVATE});
}

static int map_segment(struct arena *a, const struct elf_file *f, const struct program_segment *s)
{
    gva_t va = s->va + f->bias;
    if (s->file_len) {
        gva_t end = (va + s->file_len + GUEST_PAGE_SIZE - 1) & GUEST_PAGE_MASK;
        struct arena_source src = {.fd = f->fd, .flags = MAP_PRIVATE, .offset = s->offset};
        int r = arena_map(a, (struct area){va, end, s->prot, 0}, src);
        if (r < 0)
            return r;
    }
    return map_bss(a, s, va);
}

static int map_elf(struct arena *a, struct elf_file *f, struct error *err)
{
    for (unsigned i = 0; i < f->image.nsegments; i++) {
        int r = map_segment(a, f, &f->image.segments[i]);
        if (r < 0)
            return error_set(err, -r, "cannot map %s: %s", f->path, strerror(-r));
    }
    return 0;
}

/* The dynamic linker's path as the program names it: text, with an end. */
static bool read_interp(const struct elf_file *program, char *name)
{
    const struct program_image *e = &program->image;
    ssize_t n = pread(program->fd, name, e->interp_len, (off_t)e->interp_offset);
    if (n != (ssize_t)e->interp_len || name[n - 1])
        return false;
    for (const char *c = name; *c; c++)
        if (iscntrl((unsigned char)*c) || (unsigned char)*c > '~')
            return false;
    return name[0];
}

static int find_interp(struct process *p, const struct elf_file *program, struct elf_file *interp,
                       struct error *err)
{
    char name[PATH_MAX + 1] = {0};
    const char *sysroot = p->options->sysroot;
    if (!read_interp(program, name))
        return error_set(err, ENOEXEC, "%s names its dynamic linker in a way that cannot be read",
                         program->path);
    int r = path_translate_host(sysroot, name, interp->path);
    if (r < 0)
        return error_set(err, -r, "the dynamic linker %s: %s", name, strerror(-r));
    if (access(interp->path, F_OK) == 0)
        return 0;
    return sysroot
               ? error_set(err, ENOENT, "%s needs the dynamic linker %s, which is not in %s",
                           program->path, name, sysroot)
               : error_set(err, ENOENT,
                           "%s needs the dynamic linker %s; give the directory that has RISC-V's "
                           "libraries with --sysroot",
                           program->path, name);
}

static int load_interp(struct process *p, const struct elf_file *program, struct loaded *out,
                       struct error *err)
{
    struct elf_file f = {.fd = -1};
    int r = find_interp(p, program, &f, err);
    if (r == 0)
        r = open_elf(&f, err);
    if (r < 0)
        return r;
    if (f.image.pie)
        f.bias = arena_gap(&p->arena, f.image.high - f.image.low) - f.image.low;
    r = map_elf(&p->arena, &f, err);
    close(f.fd);
    out->interp = f.bias + f.image.low;
    out->start = f.bias + f.image.entry;
    return r;
}

/* After the program, with some room as the kernel leaves it. */
static void place_heap(struct arena *a, const struct elf_file *f)
{
    a->brk_start = a->brk = f->bias + f->image.high;
}

int load_program(struct process *p, struct loaded *out, struct error *err)
{
    struct elf_file f = {.fd = -1};
    int r = path_translate_host(p->options->sysroot, p->options->program, f.path);
    if (r < 0)
        return error_set(err, -r, "%s: %s", p->options->program, strerror(-r));
    r = open_elf(&f, err);
    if (r < 0)
        return r;
    if (f.image.pie)
        f.bias = PIE_BASE - f.image.low;
    *out = (struct loaded){
        .entry = f.bias + f.image.entry,
        .phdr = f.image.phdr ? f.bias + f.image.phdr : 0,
        .phnum = f.image.phnum,
        .start = f.bias + f.image.entry,
    };
    r = map_elf(&p->arena, &f, err);
    place_heap(&p->arena, &f);
    if (r == 0 && f.image.interp_len)
        r = load_interp(p, &f, out, err);
    close(f.fd);
    p->exe = realpath(f.path, NULL);
    p->entry = out->start;
    return r < 0 || p->exe ? r : error_set(err, errno, "%s: %s", f.path, strerror(errno));
}

int load_trampoline(struct process *p, struct error *err)
{
    /* Highest of all, below a page that stays free. */
    gva_t va = ARENA_SIZE - 2 * GUEST_PAGE_SIZE;
    struct arena_source src = {.fd = -1, .flags = MAP_PRIVATE};
    int r = arena_map(&p->arena, (struct area){va, va + GUEST_PAGE_SIZE, PROT_READ | PROT_WRITE, 0},
                      src);
    if (r == 0)
        r = guest_write(&p->arena, va, sigframe_trampoline, sizeof(sigframe_trampoline));
    if (r == 0)
        r = arena_protect(&p->arena, va, va + GUEST_PAGE_SIZE, PROT_READ | PROT_EXEC);
    p->trampoline = va;
    return r < 0 ? error_set(err, -r, "cannot map the signal page: %s", strerror(-r)) : 0;
}
