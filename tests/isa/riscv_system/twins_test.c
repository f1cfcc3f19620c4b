/*
 * Two machines of one hart, an interpreted and a translated one, run the same short programs: any
 * instruction, any mode, page tables with all kinds of pages, traps. Afterwards registers, CSRs and
 * memory are the same.
 *
 * usage: twins_test [SEED [PROGRAMS]]
 *
 * A program is some dozens of random instructions in front of a WFI. Handlers go on behind what
 * trapped, and end the program when there were many traps. A program that does not end is given up
 * on both sides, and does not count.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "isa/riscv/disasm.h"
#include "isa/riscv/regs.h"
#include "vm/vm.h"

enum {
    RAM = 512 << 10,
    CODE = 0x1000,
    INSNS = 40,
    HANDLER = 0x3c00, /* of M-mode; S-mode's is 256 bytes behind */
    CODE_END = 0x4000,
    TRAPS_LEFT = 0x400c, /* of each handler, at the same distance */
    TABLES = 0x10000,    /* three */
    DATA = 0x20000,
    PAGES = 32,
    TICK_US = 2000,
};
#define RAM_BASE UINT64_C(0x80000000)
#define PAGED    UINT64_C(0xc0000000) /* what the third table maps */

struct machine {
    struct vm vm;
    struct riscv_cpu *cpu;
    uint8_t *ram;
    uint64_t noise; /* what devices answer */
};

struct twins {
    struct machine m[2];
    uint8_t fresh[0x5000]; /* the first pages as they were made */
    _Atomic unsigned runs;
    _Atomic(struct vcpu *) running;
};

struct pattern {
    const char *name;
    uint32_t mask, value;
    unsigned width;
    enum riscv_op_id op;
};

static const struct pattern patterns[] = {
#include "isa/riscv/patterns.inc"
};

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static void must(int r, const struct error *err)
{
    if (r >= 0)
        return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

/* ---- two machines ---- */

static uint64_t mmio_read(void *opaque, gpa_t gpa, unsigned size)
{
    struct machine *m = opaque;
    (void)size;
    return next(&m->noise) ^ gpa;
}

static void mmio_write(void *opaque, gpa_t gpa, unsigned size, uint64_t v)
{
    struct machine *m = opaque;
    m->noise += (gpa ^ v ^ size) | 1;
}

static uint64_t read_time(void *opaque)
{
    struct machine *m = opaque;
    return next(&m->noise);
}

static void create(struct machine *m, const struct engine_ops *engine)
{
    struct vm_params p = {
        .name = "twin", .nvcpus = 1, .ram_size = RAM, .isa = &isa_riscv, .engine = engine};
    struct error err = {0};
    must(engine->probe(&err), &err);
    must(vm_init(&m->vm, &p, &err), &err);
    must(guest_mem_add_slot(&m->vm.mem, RAM_BASE, RAM, false, &err), &err);
    must(vm_init_cpus(&m->vm, &err), &err);
    m->ram = gpa_pin(&m->vm.mem, RAM_BASE, RAM, true);
    m->cpu = m->vm.vcpus[0].cpu;
    m->cpu->env = (struct riscv_env){.machine = m,
                                     .mmio_read = mmio_read,
                                     .mmio_write = mmio_write,
                                     .platform = m,
                                     .time = read_time};
    isa_riscv.cpu_reset(m->cpu);
    must(vm_init_engine(&m->vm, &err), &err);
}

/* Gives up on programs in their second tick. */
static void *tick(void *opaque)
{
    struct twins *t = opaque;
    for (unsigned last = 0;; usleep(TICK_US)) {
        unsigned now = atomic_load(&t->runs);
        struct vcpu *v = atomic_load(&t->running);
        if (v && now == last)
            vcpu_request(v, VCPU_REQ_PAUSE);
        last = now;
    }
    return NULL;
}

/* ---- programs ---- */

/* CSRs that exist; of counters only what both engines give the same. */
static uint32_t some_csr(uint64_t *r)
{
    static const uint16_t csrs[] = {0x001, 0x002, 0x003, 0x100, 0x104, 0x105, 0x106, 0x10a, 0x140,
                                    0x141, 0x142, 0x143, 0x144, 0x14d, 0x180, 0x300, 0x301, 0x302,
                                    0x303, 0x304, 0x306, 0x30a, 0x340, 0x341, 0x342, 0x343, 0x344,
                                    0x3a2, 0x3b8, 0xc01, 0xf11, 0xf14, 0x7c0};
    return csrs[next(r) % ARRAY_SIZE(csrs)];
}

static bool is_csr(enum riscv_op_id op)
{
    return op >= RISCV_OP_CSRRW && op <= RISCV_OP_CSRRCI;
}

static uint32_t some_insn(uint64_t *r, unsigned *len)
{
    const struct pattern *p;
    do
        p = &patterns[next(r) % ARRAY_SIZE(patterns)];
    while (p->op == RISCV_OP_WFI || (is_csr(p->op) && next(r) % 2));
    uint32_t bits = ((uint32_t)(next(r) >> 20) & ~p->mask) | p->value;
    if (is_csr(p->op))
        bits = (bits & 0xfffff) | some_csr(r) << 20;
    *len = p->width / 8;
    return bits;
}

/* Branches go where they like; what they find elsewhere ends the program soon. */
static void make_code(uint8_t *ram, uint64_t *r)
{
    static const uint32_t wfi = 0x10500073;
    unsigned at = CODE, len;
    for (unsigned i = 0; i < INSNS; i++, at += len) {
        uint32_t bits = some_insn(r, &len);
        memcpy(ram + at, &bits, len);
    }
    for (unsigned i = 0; i < 16; i++)
        memcpy(ram + at + 4 * i, &wfi, sizeof(wfi));
}

/*
 * csrw xscratch, t0; auipc t0, 0; sd t1, 0x400(t0); lw t1, 0x408(t0); addi t1, t1, -1
 * sw t1, 0x408(t0); bgtz t1, 1f; wfi; wfi; wfi; 1: csrr t1, xepc; addi t1, t1, 2; csrw xepc, t1
 * ld t1, 0x400(t0); csrr t0, xscratch; xret
 */
static void make_handlers(uint8_t *ram, uint64_t *r)
{
    static const uint32_t code[2][16] = {
        {0x34029073, 0x00000297, 0x4062b023, 0x4082a303, 0xfff30313, 0x4062a423, 0x00604863,
         0x10500073, 0x10500073, 0x10500073, 0x34102373, 0x00230313, 0x34131073, 0x4002b303,
         0x340022f3, 0x30200073},
        {0x14029073, 0x00000297, 0x4062b023, 0x4082a303, 0xfff30313, 0x4062a423, 0x00604863,
         0x10500073, 0x10500073, 0x10500073, 0x14102373, 0x00230313, 0x14131073, 0x4002b303,
         0x140022f3, 0x10200073}};
    for (unsigned i = 0; i < 2; i++) {
        uint32_t traps = 1 + next(r) % 30;
        memcpy(ram + HANDLER + 256 * i, code[i], sizeof(code[i]));
        memcpy(ram + TRAPS_LEFT + 256 * i, &traps, sizeof(traps));
    }
}

static void make_tables(uint8_t *ram, uint64_t *r, bool user)
{
    uint64_t *root = (uint64_t *)(void *)(ram + TABLES), *mid = root + 512, *leaf = root + 1024;
    uint64_t page = (RAM_BASE + TABLES) >> 12;
    root[0] = 0xc7 | (user ? 16 : 0); /* devices: V R W A D */
    root[2] = RAM_BASE >> 12 << 10 | 0xcf | (user ? 16 : 0);
    root[3] = (page + 1) << 10 | 1;
    mid[0] = (page + 2) << 10 | 1;
    for (unsigned i = 0; i < 64; i++) {
        uint64_t target = ((RAM_BASE + DATA) >> 12) + next(r) % PAGES;
        leaf[i] = target << 10 | (next(r) & 0xff);
        if (next(r) % 2)
            leaf[i] |= 0xc7 | (user ? 16 : 0);
    }
}

static uint64_t some_value(uint64_t *r)
{
    uint64_t v = next(r);
    switch (v % 8) {
    case 0:
    case 1:
        return RAM_BASE + DATA + (v >> 8) % (PAGES << 12);
    case 2:
    case 3:
        return PAGED + (v >> 8) % (64 << 12);
    case 4:
        return (v >> 8) % 0x1000; /* a device */
    case 5:
        return (uint64_t)((int64_t)v >> 56);
    default:
        return v;
    }
}

static void make_state(struct riscv_cpu *c, uint64_t *r, unsigned priv)
{
    struct error err = {0};
    isa_riscv.cpu_reset(c);
    for (unsigned i = 1; i < 32; i++) {
        c->x[i] = some_value(r);
        c->f[i] = next(r) % 2 ? next(r) : next(r) | UINT64_C(0xffffffff) << 32;
    }
    c->priv = (uint8_t)priv;
    c->mstatus = next(r) & ~(MSTATUS_MPRV | MSTATUS_TW | MSTATUS_FS);
    c->mstatus |= next(r) % 8 ? MSTATUS_FS : 0;
    c->medeleg = next(r) % 2 ? 0 : next(r) & 0x35d; /* no faults: S-mode's handler might loop */
    c->mideleg = next(r) & 0x222;
    c->mcounteren = c->scounteren = next(r);
    c->menvcfg = next(r);
    c->senvcfg = next(r);
    c->frm = next(r) % 5;
    c->mtvec = RAM_BASE + HANDLER;
    c->stvec = RAM_BASE + HANDLER + 256;
    c->mepc = c->sepc = RAM_BASE + CODE;
    c->satp = next(r) % 4 ? UINT64_C(8) << 60 | (RAM_BASE + TABLES) >> 12 : 0;
    c->pmpaddr[15] = UINT64_MAX >> 10;
    c->pmpcfg[15] = 0x1f;
    c->pc = RAM_BASE + CODE;
    must(isa_riscv.state->post_load(c, &err), &err);
}

static void make_program(struct machine *m, uint64_t seed)
{
    uint64_t r = seed * 0x9e3779b97f4a7c15u + 1;
    unsigned priv = "\0\1\3\1"[next(&r) % 4];
    memset(m->ram, 0, RAM);
    m->noise = seed | 1;
    make_code(m->ram, &r);
    make_handlers(m->ram, &r);
    make_tables(m->ram, &r, priv == RISCV_U);
    make_state(m->cpu, &r, priv);
    for (unsigned i = 0; i < 512; i++) /* the pages' first bytes */
        m->ram[DATA + i * 256] = (uint8_t)next(&r);
}

/* ---- running and comparing ---- */

/* Did it end by itself? */
static bool run(struct twins *t, struct machine *m)
{
    struct vcpu *v = &m->vm.vcpus[0];
    struct vm_exit exit = {0};
    struct error err = {0};
    gpa_wrote(&m->vm.mem, RAM_BASE, RAM);
    atomic_store(&v->requests, 0);
    must(m->vm.engine->state_put(v, &err), &err);
    atomic_fetch_add(&t->runs, 1);
    atomic_store(&t->running, v);
    m->vm.engine->run(v, &exit);
    atomic_store(&t->running, NULL);
    must(m->vm.engine->state_get(v, &err), &err);
    return exit.reason == EXIT_HALT;
}

static bool same(struct twins *t, char *what, size_t len)
{
    const struct machine *a = &t->m[0], *b = &t->m[1];
    a->cpu->cycle = b->cpu->cycle = a->cpu->instret = b->cpu->instret = 0;
    if (!state_equal(isa_riscv.state, a->cpu, b->cpu, what, len))
        return false;
    for (unsigned i = 0; i < RAM; i++) {
        if (a->ram[i] != b->ram[i]) {
            snprintf(what, len, "memory at %x: %02x != %02x", i, a->ram[i], b->ram[i]);
            return false;
        }
    }
    return true;
}

/* FS may become Dirty before there is a need [RISC-V priv 3.1.6.6]; then much else may differ. */
static bool fs_differs(const struct twins *t)
{
    return (t->m[0].cpu->mstatus ^ t->m[1].cpu->mstatus) & MSTATUS_FS;
}

/* Code that stored into itself, with a fence or not, owes nobody the same. */
static bool patched(struct twins *t, uint64_t seed)
{
    uint64_t r = seed * 0x9e3779b97f4a7c15u + 1;
    next(&r); /* as in make_program() */
    memset(t->fresh, 0, sizeof(t->fresh));
    make_code(t->fresh, &r);
    make_handlers(t->fresh, &r);
    return memcmp(t->fresh + CODE, t->m[0].ram + CODE, CODE_END - CODE) != 0 ||
           memcmp(t->fresh + CODE, t->m[1].ram + CODE, CODE_END - CODE) != 0;
}

static void show(struct machine *m, uint64_t seed)
{
    make_program(m, seed);
    printf("mode %u, satp %llx, mstatus %llx\n", m->cpu->priv, (unsigned long long)m->cpu->satp,
           (unsigned long long)m->cpu->mstatus);
    for (unsigned at = CODE, i = 0; i < INSNS; i++) {
        struct riscv_insn in;
        char text[64];
        uint32_t bits;
        memcpy(&bits, m->ram + at, sizeof(bits));
        riscv_decode(&in, bits);
        riscv_disasm(text, sizeof(text), &in, RAM_BASE + at);
        printf("%8llx: %s\n", (unsigned long long)RAM_BASE + at, text);
        at += in.len;
    }
}

int main(int argc, char **argv)
{
    static struct twins t;
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    unsigned programs = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 4000, ended = 0;
    struct error err = {0};
    pthread_t thread;
    char what[200];
    if (engine_dbt_riscv.probe(&err) < 0) {
        printf("skipped: %s\n", err.text);
        return 77;
    }
    create(&t.m[0], &engine_interp_riscv);
    create(&t.m[1], &engine_dbt_riscv);
    must(-pthread_create(&thread, NULL, tick, &t), &err);
    for (uint64_t seed = first; seed < first + programs; seed++) {
        bool over[2];
        for (unsigned i = 0; i < 2; i++) {
            make_program(&t.m[i], seed);
            over[i] = run(&t, &t.m[i]);
        }
        if (!over[0] || !over[1] || fs_differs(&t) || patched(&t, seed))
            continue;
        ended++;
        if (same(&t, what, sizeof(what)))
            continue;
        printf("seed %llu: %s\n", (unsigned long long)seed, what);
        show(&t.m[0], seed);
        return 1;
    }
    printf("%u programs of %u ended, and ended the same\n", ended, programs);
    return ended < programs / 2;
}
