/* See flat_program.h. */
#include "flat_program.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "isa/riscv/trap.h"

enum { SYS_WRITE = 64, SYS_EXIT = 93, USER_MSTATUS = 0x2000 /* FS: Initial */ };

_Noreturn void flat_program_die(const char *what)
{
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
    exit(2);
}

static void load_program(struct riscv_cpu *c, const char *path)
{
    FILE *file = fopen(path, "rb");
    Elf64_Ehdr h;
    Elf64_Phdr p;

    if (!file || fread(&h, sizeof(h), 1, file) != 1)
        flat_program_die("cannot read the program");
    for (unsigned i = 0; i < h.e_phnum; i++) {
        if (fseek(file, (long)(h.e_phoff + i * sizeof(p)), SEEK_SET) ||
            fread(&p, sizeof(p), 1, file) != 1)
            flat_program_die("cannot read the program headers");
        if (p.p_type != PT_LOAD || !p.p_filesz)
            continue;
        if (p.p_vaddr + p.p_memsz > FLAT_PROGRAM_STACK || fseek(file, (long)p.p_offset, SEEK_SET) ||
            fread(flat_program_host(c, p.p_vaddr), p.p_filesz, 1, file) != 1)
            flat_program_die("cannot load a segment");
    }
    fclose(file);
    c->pc = h.e_entry;
}

/* argc, argv, the strings. */
static void make_stack(struct riscv_cpu *c, int argc, char **argv)
{
    uint64_t *slots = flat_program_host(c, FLAT_PROGRAM_STACK),
             text = FLAT_PROGRAM_STACK + (unsigned)(argc + 2) * 8;

    slots[0] = (unsigned)argc;
    for (int i = 0; i < argc; i++) {
        slots[1 + i] = text;
        strcpy(flat_program_host(c, text), argv[i]);
        text += strlen(argv[i]) + 1;
    }
    c->x[2] = FLAT_PROGRAM_STACK;
}

void flat_program_init(struct riscv_cpu *c)
{
    void *space = mmap(NULL, FLAT_PROGRAM_SPACE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        flat_program_die("there is no memory for a program");
    c->flat_base = (uintptr_t)space;
    c->flat_size = FLAT_PROGRAM_SPACE;
    c->mstatus = USER_MSTATUS;
}

void flat_program_load(struct riscv_cpu *c, int argc, char **argv)
{
    load_program(c, argv[0]);
    make_stack(c, argc, argv);
}

void flat_program_trap(struct riscv_cpu *c)
{
    if (c->exc_cause != RISCV_EXC_ECALL_U) {
        fprintf(stderr, "%s: exception %lu (%lx) at %lx\n", program_invocation_short_name,
                c->exc_cause, c->exc_tval, c->pc);
        _Exit(2);
    }
    switch (c->x[17]) {
    case SYS_WRITE:
        c->x[10] = (uint64_t)write((int)c->x[10], flat_program_host(c, c->x[11]), c->x[12]);
        break;
    case SYS_EXIT:
        exit((int)c->x[10]);
    default:
        flat_program_die("a system call other than write and exit");
    }
    c->pc += 4;
}
