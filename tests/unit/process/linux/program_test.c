/* Program headers: what a good one says; what is wrong with bad ones (tests/process has more). */
#include "unit/cmocka_all.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "process/linux/program.h"

struct file {
    Elf64_Ehdr eh;
    Elf64_Phdr ph[3];
};

static struct file good(void)
{
    struct file f = {
        .eh = {.e_type = ET_DYN,
               .e_machine = EM_RISCV,
               .e_entry = 0x123,
               .e_phoff = 64,
               .e_phentsize = sizeof(Elf64_Phdr),
               .e_phnum = 3},
        .ph = {{.p_type = PT_INTERP, .p_offset = 500, .p_filesz = 20},
               {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = 3000, .p_memsz = 3000},
               {.p_type = PT_LOAD,
                .p_flags = PF_R | PF_W,
                .p_offset = 3000,
                .p_vaddr = 0x1000 + 3000,
                .p_filesz = 1000,
                .p_memsz = 5000}},
    };
    memcpy(f.eh.e_ident, ELFMAG, SELFMAG);
    f.eh.e_ident[EI_CLASS] = ELFCLASS64;
    f.eh.e_ident[EI_DATA] = ELFDATA2LSB;
    return f;
}

static int parse(struct program_image *out, const struct file *f)
{
    struct error err = {0};
    int r = program_parse(out, (const uint8_t *)f, sizeof(*f), 4000, &err);
    assert_int_equal(r < 0, err.text[0] != 0);
    return r;
}

static void reads(void **state)
{
    struct program_image im;
    struct file f = good();
    (void)state;
    assert_int_equal(parse(&im, &f), 0);
    assert_true(im.pie);
    assert_int_equal(im.entry, 0x123);
    assert_int_equal(im.phdr, 64);
    assert_int_equal(im.phnum, 3);
    assert_int_equal(im.nsegments, 2);
    assert_int_equal(im.low, 0);
    assert_int_equal(im.high, 0x3000);
    assert_int_equal(im.interp_offset, 500);
    assert_int_equal(im.interp_len, 20);
    assert_int_equal(im.segments[0].prot, PROT_READ | PROT_EXEC);
    assert_int_equal(im.segments[1].va, 0x1000);
    assert_int_equal(im.segments[1].offset, 0);
    assert_int_equal(im.segments[1].file_len, 4000);
    assert_int_equal(im.segments[1].mem_len, 8000);
}

static void refuses(void **state)
{
    struct program_image im;
    struct file f;
    (void)state;
#define BAD(change)                                                                                \
    f = good();                                                                                    \
    change;                                                                                        \
    assert_int_equal(parse(&im, &f), -ENOEXEC)
    BAD(f.eh.e_machine = EM_X86_64);
    BAD(f.eh.e_ident[EI_CLASS] = ELFCLASS32);
    BAD(f.eh.e_type = ET_REL);
    BAD(f.eh.e_phentsize = 32);
    BAD(f.eh.e_phnum = 65);
    BAD(f.eh.e_phoff = UINT64_MAX - 5);
    BAD(f.ph[1].p_filesz = 5000);
    BAD(f.ph[1].p_memsz = 10);
    BAD(f.ph[2].p_vaddr = UINT64_MAX - 4095 - 1096);
    BAD(f.ph[2].p_vaddr++);
    BAD(f.ph[0].p_offset = UINT64_MAX);
    BAD(f.ph[2].p_vaddr -= 0x1000; f.ph[1].p_memsz = 0x5000);
    BAD(f.eh.e_type = ET_EXEC); /* at address 0 */
#undef BAD
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
