/*
 * single_step PROGRAM [ARGS]: a static RISC-V Linux program, instruction by instruction, without an
 * engine: what is tested is isa/riscv alone.
 */
#include <string.h>

#include "flat_program.h"
#include "isa/riscv/fp_state.h"
#include "isa/riscv/op.h"

struct machine {
    struct riscv_cpu cpu;
    struct tlb no_tlb;
};

/* Code is decoded anew each time. */
static void ignore_fence_i(struct riscv_cpu *c)
{
    (void)c;
}

static const struct riscv_mem_slow no_slow = {.fence_i = ignore_fence_i};

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

    if (c->pc >= FLAT_PROGRAM_STACK)
        flat_program_die("code outside the program");
    memcpy(&bits, flat_program_host(c, c->pc), sizeof(bits));
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
        flat_program_trap(c);
    }
    for (;;)
        step(c);
}

int main(int argc, char **argv)
{
    static struct machine m;

    if (argc < 2)
        flat_program_die("usage: single_step PROGRAM [ARGS]");
    flat_program_init(&m.cpu);
    m.cpu.tlb = &m.no_tlb;
    m.cpu.slow = &no_slow;
    flat_program_load(&m.cpu, argc - 1, argv + 1);
    run(&m.cpu);
}
