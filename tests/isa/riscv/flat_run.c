/*
 * flat_run ENGINE PROGRAM [ARGS]: a static RISC-V Linux program on an engine of process VMs. Of
 * system calls there are write and exit.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/flat.h"
#include "isa/riscv/trap.h"

#define SPACE (UINT64_C(1) << 32)
#define STACK (SPACE - (1 << 20))

enum { SYS_WRITE = 64, SYS_EXIT = 93, USER_MSTATUS = 0x2000 /* FS: Initial */ };

static void *host(const struct riscv_cpu *c, uint64_t va)
{
    return (void *)(uintptr_t)(c->flat_base + va);
}

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "flat_run: %s\n", what);
    exit(2);
}

static void load_program(struct riscv_cpu *c, const char *path)
{
    FILE *file = fopen(path, "rb");
    Elf64_Ehdr h;
    Elf64_Phdr p;

    if (!file || fread(&h, sizeof(h), 1, file) != 1)
        die("cannot read the program");
    for (unsigned i = 0; i < h.e_phnum; i++) {
        if (fseek(file, (long)(h.e_phoff + i * sizeof(p)), SEEK_SET) ||
            fread(&p, sizeof(p), 1, file) != 1)
            die("cannot read the program headers");
        if (p.p_type != PT_LOAD || !p.p_filesz)
            continue;
        if (p.p_vaddr + p.p_memsz > STACK || fseek(file, (long)p.p_offset, SEEK_SET) ||
            fread(host(c, p.p_vaddr), p.p_filesz, 1, file) != 1)
            die("cannot load a segment");
    }
    fclose(file);
    c->pc = h.e_entry;
}

/* argc, argv, the strings. */
static void make_stack(struct riscv_cpu *c, int argc, char **argv)
{
    uint64_t *slots = host(c, STACK), text = STACK + (unsigned)(argc + 2) * 8;

    slots[0] = (unsigned)argc;
    for (int i = 0; i < argc; i++) {
        slots[1 + i] = text;
        strcpy(host(c, text), argv[i]);
        text += strlen(argv[i]) + 1;
    }
    c->x[2] = STACK;
}

static void system_call(struct riscv_cpu *c)
{
    switch (c->x[17]) {
    case SYS_WRITE:
        c->x[10] = (uint64_t)write((int)c->x[10], host(c, c->x[11]), c->x[12]);
        break;
    case SYS_EXIT:
        exit((int)c->x[10]);
    default:
        die("a system call other than write and exit");
    }
    c->pc += 4;
}

static bool executable(void *opaque, gva_t va)
{
    (void)opaque;
    return va < STACK;
}

static void run(struct riscv_cpu *c, const struct flat_engine *e)
{
    for (;;) {
        enum flat_exit exit = e->run(c);
        if (exit == FLAT_ATTENTION)
            continue;
        if (c->exc_cause != RISCV_EXC_ECALL_U) {
            fprintf(stderr, "flat_run: exception %lu (%lx) at %lx\n", c->exc_cause, c->exc_tval,
                    c->pc);
            _Exit(2);
        }
        system_call(c);
    }
}

int main(int argc, char **argv)
{
    static struct riscv_cpu c;
    static struct flat_space space;
    struct error err;
    void *base = mmap(NULL, SPACE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (argc < 3 || base == MAP_FAILED)
        die("usage: flat_run ENGINE PROGRAM [ARGS]");
    const struct flat_engine *e =
        strcmp(argv[1], "dbt") == 0 ? &flat_dbt_riscv : &flat_interp_riscv;
    space = (struct flat_space){.base = (uintptr_t)base, .size = SPACE, .executable = executable};
    c.flat_base = space.base;
    c.flat_size = SPACE;
    c.mstatus = USER_MSTATUS;
    if (e->init(&space, &err) < 0 || e->hart_init(&space, &c, &err) < 0)
        die(err.text);
    load_program(&c, argv[2]);
    make_stack(&c, argc - 2, argv + 2);
    run(&c, e);
}
