/*
 * What the loader tests share: 64 MiB of guest RAM with a plain memory map, temporary files, and
 * builders for the kernels they load.
 */
#ifndef DOPPEL_TESTS_BOOT_FIXTURE_H
#define DOPPEL_TESTS_BOOT_FIXTURE_H

#include "unit/cmocka_all.h"

#include <elf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/endian.h"
#include "board/boot/boot.h"
#include "board/boot/load.h"

#define MIB       (UINT64_C(1) << 20)
#define GUEST_RAM (64 * MIB)

struct fixture {
    struct guest_mem mem;
    struct e820_map map;
    struct boot_params_in in;
    struct boot_entry entry;
    struct error err;
    char path[4][64]; /* temporary files, removed at the end */
    unsigned npaths;
};

static inline void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    assert_int_equal(guest_mem_init(&f->mem, GUEST_RAM, &f->err), 0);
    assert_int_equal(guest_mem_add_slot(&f->mem, 0, GUEST_RAM, false, &f->err), 0);
    f->map.e[f->map.n++] = (struct e820_entry){0, 0x9fc00, E820_RAM};
    f->map.e[f->map.n++] = (struct e820_entry){0x9fc00, 0x400, E820_RESERVED};
    f->map.e[f->map.n++] = (struct e820_entry){MIB, GUEST_RAM - MIB, E820_RAM};
    f->in = (struct boot_params_in){.map = &f->map, .no_cache = true};
}

static inline void fixture_free(struct fixture *f)
{
    for (unsigned i = 0; i < f->npaths; i++)
        unlink(f->path[i]);
    guest_mem_destroy(&f->mem);
}

/* A new temporary file with these bytes; its path. */
static inline const char *fixture_file(struct fixture *f, const void *bytes, size_t len)
{
    assert_true(f->npaths < 4);
    char *path = f->path[f->npaths++];
    strcpy(path, "/tmp/doppel-boot-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
    return path;
}

static inline int fixture_boot(struct fixture *f)
{
    f->err.text[0] = '\0';
    return boot_load(&f->mem, &f->in, &f->entry, &f->err);
}

/* boot_load() fails with `rc`, and its sentence has `words` in it. */
#define assert_refused(f, rc, words)                                                               \
    do {                                                                                           \
        assert_int_equal(fixture_boot(f), rc);                                                     \
        if (!strstr((f)->err.text, words))                                                         \
            fail_msg("\"%s\" lacks \"%s\"", (f)->err.text, words);                                 \
    } while (0)

static inline uint64_t guest_u64(struct fixture *f, gpa_t gpa)
{
    uint8_t b[8];
    assert_int_equal(gpa_read(&f->mem, gpa, b, 8), 0);
    return le_load64(b);
}

static inline uint32_t guest_u32(struct fixture *f, gpa_t gpa)
{
    return (uint32_t)guest_u64(f, gpa);
}

static inline void assert_guest(struct fixture *f, gpa_t gpa, const void *want, size_t len)
{
    uint8_t *got = malloc(len);
    assert_int_equal(gpa_read(&f->mem, gpa, got, len), 0);
    assert_memory_equal(got, want, len);
    free(got);
}

/* An ELF file of up to 8 KiB: one loadable segment of `filesz` bytes 0, 1, 2 ... at offset 0x1000,
 * optionally a note segment at 0x200. */
struct elf_file {
    bool is64;
    uint16_t machine;
    uint64_t entry, vaddr, paddr, filesz, memsz;
    const void *note;
    size_t note_len;
};

enum { ELF_DATA_AT = 0x1000, ELF_NOTE_AT = 0x200 };

static inline void put_phdr(uint8_t *p, bool is64, uint32_t type, const uint64_t v[5])
{
    memset(p, 0, is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr));
    if (is64) {
        Elf64_Phdr h = {.p_type = type,
                        .p_offset = v[0],
                        .p_vaddr = v[1],
                        .p_paddr = v[2],
                        .p_filesz = v[3],
                        .p_memsz = v[4],
                        .p_align = 4};
        memcpy(p, &h, sizeof(h));
    } else {
        Elf32_Phdr h = {.p_type = type,
                        .p_offset = (uint32_t)v[0],
                        .p_vaddr = (uint32_t)v[1],
                        .p_paddr = (uint32_t)v[2],
                        .p_filesz = (uint32_t)v[3],
                        .p_memsz = (uint32_t)v[4],
                        .p_align = 4};
        memcpy(p, &h, sizeof(h));
    }
}

static inline void put_ehdr(uint8_t *p, const struct elf_file *e)
{
    uint16_t nph = e->note ? 2 : 1;
    if (e->is64) {
        Elf64_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                        .e_type = ET_EXEC,
                        .e_machine = e->machine,
                        .e_version = 1,
                        .e_entry = e->entry,
                        .e_phoff = sizeof(h),
                        .e_ehsize = sizeof(h),
                        .e_phentsize = sizeof(Elf64_Phdr),
                        .e_phnum = nph};
        memcpy(p, &h, sizeof(h));
    } else {
        Elf32_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
                        .e_type = ET_EXEC,
                        .e_machine = e->machine,
                        .e_version = 1,
                        .e_entry = (uint32_t)e->entry,
                        .e_phoff = sizeof(h),
                        .e_ehsize = sizeof(h),
                        .e_phentsize = sizeof(Elf32_Phdr),
                        .e_phnum = nph};
        memcpy(p, &h, sizeof(h));
    }
}

/* Builds the file into out[8192]; its length. */
static inline size_t make_elf(const struct elf_file *e, uint8_t *out)
{
    size_t eh = e->is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    size_t ph = e->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    assert_true(e->filesz <= 0x1000 && e->note_len <= 0x400);
    memset(out, 0, 8192);
    put_ehdr(out, e);
    put_phdr(out + eh, e->is64, PT_LOAD,
             (const uint64_t[]){ELF_DATA_AT, e->vaddr, e->paddr, e->filesz, e->memsz});
    if (e->note) {
        put_phdr(out + eh + ph, e->is64, PT_NOTE,
                 (const uint64_t[]){ELF_NOTE_AT, 0, 0, e->note_len, e->note_len});
        memcpy(out + ELF_NOTE_AT, e->note, e->note_len);
    }
    for (size_t i = 0; i < e->filesz; i++)
        out[ELF_DATA_AT + i] = (uint8_t)i;
    return ELF_DATA_AT + e->filesz;
}

/* cmocka's setup and teardown; the test gets the fixture as its state, and by the name `f`. */
static struct fixture f;

static inline int setup_fixture(void **state)
{
    fixture_init(&f);
    *state = &f;
    return 0;
}

static inline int teardown_fixture(void **state)
{
    fixture_free(*state);
    return 0;
}

#define test_with_fixture(fn) cmocka_unit_test_setup_teardown(fn, setup_fixture, teardown_fixture)

#endif
