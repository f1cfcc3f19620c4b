/*
 * Writes the seeds of the state targets anew, after a change of format:
 *
 *     build/tests/fuzz/state/make-state-seeds tests/fuzz/state
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "objects.h"
#include "state/file.h"

static struct whole sample(uint8_t fill)
{
    struct whole w = {.small = 7, .big = UINT64_MAX, .regs = {1, 2, 3, 4}, .flags = {true}};
    memset(w.bytes, fill, sizeof(w.bytes));
    w.parts[1] = (struct part){.index = 0xffff, .on = true};
    return w;
}

static int create(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        perror(path);
        exit(1);
    }
    return fd;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "make-state-seeds: cannot write %s\n", what);
        exit(1);
    }
}

/* Sections, and the body of one alone. */
static void write_state_seeds(const char *dir)
{
    struct state_writer w = {0};
    struct state_section s;
    size_t pos = 0;
    struct whole a = sample('x'), b = sample(0);

    state_save(&w, "first", &whole_state, &a);
    state_save(&w, "second", &whole_state, &b);
    must(state_next_section(w.buf, w.len, &pos, &s, NULL) == 1, "a section");
    int fd = create(dir, "state_corpus/sections");
    must(write(fd, w.buf, w.len) == (ssize_t)w.len, "sections");
    close(fd);
    fd = create(dir, "state_corpus/body");
    must(write(fd, s.body, s.len) == (ssize_t)s.len, "body");
    close(fd);
    state_writer_free(&w);
}

/* Page 0 of text, page 2 of noise, a page of ROM. */
static void fill_memory(struct guest_mem *m)
{
    uint8_t page[GUEST_PAGE_SIZE];
    uint32_t seed = 1;

    memset(page, 'a', sizeof(page));
    must(!gpa_write(m, 0, page, sizeof(page)), "memory");
    must(!gpa_write_rom(m, 0xfffff000, page, 100), "ROM");
    for (size_t i = 0; i < sizeof(page); i++)
        page[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
    must(!gpa_write(m, 2 * GUEST_PAGE_SIZE, page, sizeof(page)), "memory");
}

static void write_file_seed(const char *dir, const char *name, bool filled)
{
    struct guest_mem m;
    struct state_out *o;
    struct whole w = sample('y');
    int fd = create(dir, name);

    must(!small_machine(&m), "memory");
    if (filled)
        fill_memory(&m);
    must(!state_out_open(&o, fd, "{\"memory\":\"256K\"}", NULL), name);
    must(!state_out_clock(o, 123456789, NULL), name);
    must(!state_out_section(o, "whole0", &whole_state, &w, NULL), name);
    must(!state_out_ram(o, &m, NULL, NULL, NULL), name);
    must(!state_out_finish(o, NULL), name);
    state_out_close(o);
    guest_mem_destroy(&m);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make-state-seeds FOLDER\n");
        return 2;
    }
    write_state_seeds(argv[1]);
    write_file_seed(argv[1], "in_corpus/empty-memory", false);
    write_file_seed(argv[1], "in_corpus/memory", true);
    return 0;
}
