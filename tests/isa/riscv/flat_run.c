/*
 * flat_run ENGINE PROGRAM [ARGS]: a static RISC-V Linux program on an engine of process VMs.
 */
#include <string.h>

#include "engine/flat.h"
#include "flat_program.h"

static bool executable(void *opaque, gva_t va)
{
    (void)opaque;
    return va < FLAT_PROGRAM_STACK;
}

static void run(struct riscv_cpu *c, const struct flat_engine *e)
{
    for (;;) {
        if (e->run(c) == FLAT_EXCEPTION)
            flat_program_trap(c);
    }
}

int main(int argc, char **argv)
{
    static struct riscv_cpu c;
    static struct flat_space space;
    struct error err;
    if (argc < 3)
        flat_program_die("usage: flat_run ENGINE PROGRAM [ARGS]");
    const struct flat_engine *e =
        strcmp(argv[1], "dbt") == 0 ? &flat_dbt_riscv : &flat_interp_riscv;
    flat_program_init(&c);
    space = (struct flat_space){.base = c.flat_base, .size = c.flat_size, .executable = executable};
    if (e->init(&space, &err) < 0 || e->hart_init(&space, &c, &err) < 0)
        flat_program_die(err.text);
    flat_program_load(&c, argc - 2, argv + 2);
    run(&c, e);
}
