/*
 * single_step PROGRAM [ARGS]: a static RISC-V Linux program, instruction by instruction, without an
 * engine: what is tested is isa/riscv alone. Of system calls there are write and exit.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "isa/riscv/fp_state.h"
#include "isa/riscv/op.h"
#include "isa/riscv/trap.h"

#define SPACE (UINT64_C(1) << 32)
#define STACK (SPACE - (1 << 20))

enum { SYS_WRITE = 64, SYS_EXIT = 93, USER_MSTATUS = 0x2000 /* FS: Initial */ };

struct machine {
    struct riscv_cpu cpu;
    struct tlb no_tlb;
};

static void *host(const struct riscv_cpu *c, uint64_t va)
{
    return (void *)(uintptr_t)(c->flat_base + va);
}

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "single_step: %s\n", what);
    exit(2);
}

/* Code is decoded anew each time. */
static void ignore_fence_i(struct riscv_cpu *c)
{
    (void)c;
}

static const struct riscv_mem_slow no_slow = {.fence_i = ignore_fence_i};

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

static void stop(struct riscv_cpu *c, const struct riscv_op *op)
{
    c->pc = riscv_op_next_pc(c, op);
}

static void step(struct riscv_cpu *c)
{
    unsigned off = c->pc & (GUEST_PAGE_SIZE - 1);
    struct riscv_op ops[2];
    struct riscv_insn in;
    uint32_t bits;

    if (c->pc >= STACK)
        die("code outside the program");
    memcpy(&bits, host(c, c->pc), sizeof(bits));
    (void)!riscv_decode(&in, bits); /* what is illegal becomes an op that says so */
    c->code_base = c->pc - off;
    riscv_lower(&ops[0], &in, off);
    ops[1] = (struct riscv_op){.fn = stop, .next = ops[0].next};
    ops[0].fn(c, ops);
}

static void run(struct riscv_cpu *c)
{
    if (setjmp(c->unwind)) {
        riscv_fp_leave(c);
        if (c->exc_cause != RISCV_EXC_ECALL_U) {
            fprintf(stderr, "single_step: exception %lu (%lx) at %lx\n", c->exc_cause, c->exc_tval,
                    c->pc);
            exit(2);
        }
        system_call(c);
    }
    for (;;)
        step(c);
}

int main(int argc, char **argv)
{
    static struct machine m;
    void *space = mmap(NULL, SPACE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (argc < 2 || space == MAP_FAILED)
        die("usage: single_step PROGRAM [ARGS]");
    m.cpu.tlb = &m.no_tlb;
    m.cpu.slow = &no_slow;
    m.cpu.flat_base = (uintptr_t)space;
    m.cpu.flat_size = SPACE;
    m.cpu.mstatus = USER_MSTATUS;
    load_program(&m.cpu, argv[1]);
    make_stack(&m.cpu, argc - 1, argv + 1);
    run(&m.cpu);
}
