/*
 * Random programs in S-mode under Sv39, once on the engine `interp` and once on `dbt`: registers,
 * what the trap at the end says, and all of memory, page tables included, must agree.
 *
 *     riscv_lockstep_paged [--seed N] [--programs N] [--size N]
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "isa/riscv/cpu.h"
#include "isa/riscv/regs.h"
#include "isa/riscv/trap.h"
#include "random_code.h"
#include "vm/vm.h"

#define RAM_BASE UINT64_C(0x80000000)
/* Offsets in RAM. */
enum { RAM = 1 << 20, HANDLER = 0, TABLES = 0x1000, CODE = 0x8000, POOL = 0x40000 };
enum { CODE_PAGES = 4, DATA_PAGES = 8, POOL_PAGES = 32 };
enum { PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_A = 64, PTE_D = 128 };
/* Where they are mapped. The pointers of random programs look into the middle of data. */
#define CODE_VA UINT64_C(0x10000000)
#define DATA_VA UINT64_C(0x10100000)

struct machine {
    struct vm vm;
    const struct engine_ops *engine;
    struct riscv_cpu *cpu;
    uint8_t *ram;
};

struct ends {
    unsigned all, faults;
};

static void must(int r, const struct error *err)
{
    if (r < 0) {
        fprintf(stderr, "%s\n", err->text);
        exit(r == -ENOTSUP ? 77 : EXIT_FAILURE);
    }
}

static void create(struct machine *m, const struct engine_ops *engine)
{
    struct vm_params p = {
        .name = "random", .nvcpus = 1, .ram_size = RAM, .isa = &isa_riscv, .engine = engine};
    struct error err = {0};
    m->engine = engine;
    must(engine->probe(&err), &err);
    must(vm_init(&m->vm, &p, &err), &err);
    must(guest_mem_add_slot(&m->vm.mem, RAM_BASE, RAM, false, &err), &err);
    must(vm_init_cpus(&m->vm, &err), &err);
    m->ram = gpa_pin(&m->vm.mem, RAM_BASE, RAM, true);
    m->cpu = m->vm.vcpus[0].cpu;
    isa_riscv.cpu_reset(m->cpu);
    must(vm_init_engine(&m->vm, &err), &err);
}

static void put_entry(uint8_t *ram, unsigned table, unsigned index, uint64_t at, uint64_t flags)
{
    uint64_t entry = (RAM_BASE + at) >> 12 << 10 | flags;
    memcpy(ram + TABLES + table * GUEST_PAGE_SIZE + 8 * index, &entry, 8);
}

/* Code as it is, data scattered over the pool: some of it missing, read-only, or not touched yet.
 */
static void make_tables(uint8_t *ram, struct random_code *r)
{
    put_entry(ram, 0, CODE_VA >> 30, TABLES + GUEST_PAGE_SIZE, PTE_V);
    put_entry(ram, 1, CODE_VA >> 21 & 511, TABLES + 2 * GUEST_PAGE_SIZE, PTE_V);
    for (unsigned i = 0; i < CODE_PAGES; i++)
        put_entry(ram, 2, i, CODE + i * GUEST_PAGE_SIZE, PTE_V | PTE_R | PTE_X | PTE_A);
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        uint64_t v = random_next(r);
        uint64_t flags = PTE_V | PTE_R | (v % 8 ? PTE_W : 0) | (v & 0x100 ? PTE_A | PTE_D : 0);
        put_entry(ram, 2, (DATA_VA >> 12 & 511) + i,
                  POOL + (v >> 16) % POOL_PAGES * GUEST_PAGE_SIZE, v >> 12 & 15 ? flags : 0);
    }
}

/* Whatever traps: wait for an interrupt that never comes. */
static void make_handler(uint8_t *ram)
{
    static const uint32_t code[] = {0x10500073, 0x0000006f};
    memcpy(ram + HANDLER, code, sizeof(code));
}

static gva_t make_memory(uint8_t *ram, struct random_code *r)
{
    gva_t pc = CODE_VA + 2 * (random_next(r) % 0x800);
    memset(ram, 0, RAM);
    make_handler(ram);
    make_tables(ram, r);
    for (unsigned i = 0; i < POOL_PAGES * GUEST_PAGE_SIZE; i += 8) {
        uint64_t v = random_value(r);
        memcpy(ram + POOL + i, &v, 8);
    }
    r->code = (uint16_t *)(void *)(ram + CODE + (pc - CODE_VA));
    random_program(r);
    return pc;
}

static void make_state(struct riscv_cpu *c, struct random_code *r, gva_t pc)
{
    struct error err = {0};
    isa_riscv.cpu_reset(c);
    for (unsigned i = 1; i < 32; i++)
        c->x[i] = random_value(r);
    for (unsigned i = 0; i < 32; i++)
        c->f[i] = random_value(r);
    c->x[9] = DATA_VA + DATA_PAGES / 2 * GUEST_PAGE_SIZE + random_next(r) % 64 * 8;
    c->x[2] = DATA_VA + 2 * GUEST_PAGE_SIZE + random_next(r) % 512 * 8;
    c->priv = RISCV_S;
    c->mstatus |= MSTATUS_FS;
    c->mtvec = RAM_BASE + HANDLER;
    c->satp = UINT64_C(8) << 60 | (RAM_BASE + TABLES) >> 12;
    c->pmpaddr[0] = UINT64_MAX >> 10;
    c->pmpcfg[0] = 0x1f;
    c->menvcfg = ENVCFG_CBZE | ENVCFG_ADUE;
    c->pc = pc;
    must(isa_riscv.state->post_load(c, &err), &err);
}

static bool run(struct machine *m)
{
    struct vcpu *v = &m->vm.vcpus[0];
    struct vm_exit exit = {0};
    struct error err = {0};
    gpa_wrote(&m->vm.mem, RAM_BASE, RAM);
    atomic_store(&v->requests, 0);
    must(m->engine->state_put(v, &err), &err);
    m->engine->run(v, &exit);
    return exit.reason == EXIT_HALT;
}

static bool differ(const char *what, unsigned i, uint64_t want, uint64_t got)
{
    if (want == got)
        return false;
    printf("%s%u: interpreted %016" PRIx64 ", translated %016" PRIx64 "\n", what, i, want, got);
    return true;
}

static bool compare(const struct machine *want, const struct machine *got)
{
    const struct riscv_cpu *w = want->cpu, *g = got->cpu;
    bool bad = false;
    for (unsigned i = 0; i < 32; i++)
        bad |= differ("x", i, w->x[i], g->x[i]) | differ("f", i, w->f[i], g->f[i]);
    bad |= differ("mepc", 0, w->mepc, g->mepc) | differ("mcause", 0, w->mcause, g->mcause);
    bad |= differ("mtval", 0, w->mtval, g->mtval) | differ("mstatus", 0, w->mstatus, g->mstatus);
    bad |= differ("fflags", 0, w->fflags, g->fflags) | differ("frm", 0, w->frm, g->frm);
    for (unsigned i = 0; i < RAM; i++)
        bad |= differ("memory ", i, want->ram[i], got->ram[i]);
    return bad;
}

static void count(struct ends *e, const struct riscv_cpu *c)
{
    e->all++;
    e->faults += c->mcause == RISCV_EXC_LOAD_PAGE || c->mcause == RISCV_EXC_STORE_PAGE;
}

static bool run_one(struct machine *want, struct machine *got, uint64_t seed, unsigned size)
{
    struct random_code r = {.seed = seed, .max = size};
    gva_t pc = make_memory(want->ram, &r);
    struct random_code again = r;
    memcpy(got->ram, want->ram, RAM);
    make_state(want->cpu, &r, pc);
    make_state(got->cpu, &again, pc);
    bool bad = !run(want) | !run(got);
    bad |= compare(want, got);
    if (bad)
        printf("seed %" PRIu64 ": %u halfwords at %" PRIx64 "\n", seed, r.n, pc);
    return !bad;
}

static uint64_t option(int argc, char **argv, const char *name, uint64_t otherwise)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], name) == 0)
            return strtoull(argv[i + 1], NULL, 0);
    }
    return otherwise;
}

int main(int argc, char **argv)
{
    static struct machine want, got;
    struct ends ends = {0};
    uint64_t seed = option(argc, argv, "--seed", 1);
    uint64_t programs = option(argc, argv, "--programs", 1000);
    unsigned size = (unsigned)option(argc, argv, "--size", 400), failures = 0;
    create(&want, &engine_interp_riscv);
    create(&got, &engine_dbt_riscv);
    for (uint64_t i = 0; i < programs && failures < 5; i++) {
        failures += !run_one(&want, &got, seed + i, size);
        count(&ends, want.cpu);
    }
    printf("%u failures; %u programs, %u of them ended by faults of loads and stores\n", failures,
           ends.all, ends.faults);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
