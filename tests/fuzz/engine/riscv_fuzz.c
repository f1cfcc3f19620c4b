/*
 * A hart may execute what it likes in whatever state: the interpreter must come back, and touch
 * nothing but the guest. The first 8 bytes of an input are the number that memory and registers are
 * made from; the others overlay the code.
 *
 * One hart, 2 MiB of RAM, devices that answer everything, interrupt lines that rise and fall.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "isa/riscv/cpu.h"
#include "isa/riscv/op_names.h"
#include "vm/vm.h"

enum {
    RAM = 2 << 20,
    CODE = 0x1000,
    CODE_LEN = 0x3000,
    TABLES = 0x10000,
    TICK_US = 500,
    EXITS = 50
};
#define RAM_BASE UINT64_C(0x80000000)

struct machine {
    struct vm vm;
    struct riscv_cpu *cpu;
    uint8_t *ram;
    uint64_t noise;
    _Atomic unsigned runs, running; /* programs started; is one running? */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static void check_size(unsigned size)
{
    if (size != 1 && size != 2 && size != 4 && size != 8)
        abort(); /* no bus carries such an access */
}

static uint64_t mmio_read(void *opaque, gpa_t gpa, unsigned size)
{
    struct machine *m = opaque;
    check_size(size);
    return next(&m->noise) ^ gpa;
}

static void mmio_write(void *opaque, gpa_t gpa, unsigned size, uint64_t v)
{
    struct machine *m = opaque;
    check_size(size);
    m->noise += (gpa ^ v) | 1;
}

static uint64_t read_time(void *opaque)
{
    struct machine *m = opaque;
    return next(&m->noise);
}

static void stimecmp_changed(void *opaque, struct riscv_cpu *c)
{
    (void)opaque;
    riscv_set_line(c, RISCV_LINE_STIP, c->stimecmp & 1);
}

/* Ends programs that are in their second tick, and plays the interrupt controllers meanwhile. */
static void *tick(void *opaque)
{
    struct machine *m = opaque;
    unsigned last = 0;
    for (uint64_t random = 88172645463325252u;; usleep(TICK_US)) {
        unsigned now = atomic_load(&m->runs);
        if (!atomic_load(&m->running))
            continue;
        riscv_set_line(m->cpu, (enum riscv_line)(1 + 2 * (next(&random) % 6)), next(&random) & 1);
        if (now == last)
            vcpu_request(&m->vm.vcpus[0], VCPU_REQ_PAUSE);
        last = now;
    }
    return NULL;
}

static void must(int r, const struct error *err)
{
    if (r < 0) {
        fprintf(stderr, "fuzz: %s\n", err->text);
        exit(1);
    }
}

static struct machine *machine_create(void)
{
    struct vm_params p = {.name = "fuzz",
                          .nvcpus = 1,
                          .ram_size = RAM,
                          .isa = &isa_riscv,
                          .engine = &engine_interp_riscv};
    struct error err = {0};
    struct machine *m = calloc(1, sizeof(*m));
    pthread_t thread;
    must(m ? 0 : -1, &err);
    must(vm_init(&m->vm, &p, &err), &err);
    must(guest_mem_add_slot(&m->vm.mem, RAM_BASE, RAM, false, &err), &err);
    must(vm_init_cpus(&m->vm, &err), &err);
    m->ram = gpa_pin(&m->vm.mem, RAM_BASE, RAM, true);
    m->cpu = m->vm.vcpus[0].cpu;
    m->cpu->env = (struct riscv_env){.machine = m,
                                     .mmio_read = mmio_read,
                                     .mmio_write = mmio_write,
                                     .platform = m,
                                     .time = read_time,
                                     .stimecmp_changed = stimecmp_changed};
    isa_riscv.cpu_reset(m->cpu);
    must(vm_init_engine(&m->vm, &err), &err);
    must(-pthread_create(&thread, NULL, tick, m), &err);
    return m;
}

/* Instructions of random kinds with random operands. */
static void make_code(struct machine *m, uint64_t *r)
{
    for (unsigned at = CODE; at < CODE + CODE_LEN - 4;) {
        const struct pattern *p = &patterns[next(r) % ARRAY_SIZE(patterns)];
        uint32_t bits = ((uint32_t)(next(r) >> 20) & ~p->mask) | p->value;
        memcpy(m->ram + at, &bits, p->width / 8);
        at += p->width / 8;
    }
}

/* Tables whose entries lead to each other or to RAM, most of them well-formed. */
static void make_tables(struct machine *m, uint64_t *r)
{
    uint64_t *entry = (uint64_t *)(void *)(m->ram + TABLES);
    for (unsigned i = 0; i < 4 * 512; i++) {
        uint64_t ppn = (RAM_BASE >> 12) + next(r) % (RAM >> 12);
        uint64_t table = (RAM_BASE + TABLES) / 4096 + next(r) % 4;
        uint64_t flags = next(r) & 0xff;
        entry[i] = next(r) % 4 ? ppn << 10 | flags | 1 : table << 10 | 1;
        if (next(r) % 16 == 0)
            entry[i] ^= UINT64_C(1) << (next(r) & 63);
        if (next(r) % 8 == 0) /* all of RAM and more as it is */
            entry[i] = RAM_BASE >> 12 << 10 | 0xff;
    }
}

static uint64_t likely_value(uint64_t *r)
{
    uint64_t v = next(r);
    switch (v % 4) {
    case 0:
        return RAM_BASE + (v >> 8) % RAM;
    case 1:
        return (v >> 8) % RAM;
    case 2:
        return (uint64_t)((int64_t)v >> 58);
    default:
        return v;
    }
}

/* CSRs by the way that a state file comes in, which makes them legal. */
static void make_state(struct machine *m, uint64_t *r)
{
    struct riscv_cpu *c = m->cpu;
    struct error err = {0};
    isa_riscv.cpu_reset(c);
    for (unsigned i = 1; i < 32; i++) {
        c->x[i] = likely_value(r);
        c->f[i] = next(r);
    }
    c->mstatus = next(r);
    c->medeleg = next(r);
    c->mideleg = next(r);
    c->mie = next(r);
    c->menvcfg = next(r);
    c->senvcfg = next(r);
    c->mcounteren = c->scounteren = next(r);
    c->priv = "\0\1\3\1"[next(r) % 4];
    c->frm = next(r) % 8;
    c->mtvec = RAM_BASE + CODE + (next(r) % CODE_LEN & ~UINT64_C(2));
    c->stvec = c->mtvec;
    c->mepc = c->sepc = RAM_BASE + CODE;
    static const uint64_t modes[] = {0, UINT64_C(8) << 60, UINT64_C(9) << 60};
    c->satp = modes[next(r) % 3] | next(r) % 4 << 44 | (RAM_BASE + TABLES) >> 12;
    for (unsigned i = 0; i < RISCV_PMP_ENTRIES; i++) {
        c->pmpaddr[i] = likely_value(r) >> 2;
        c->pmpcfg[i] = next(r) % 4 ? 0 : (uint8_t)next(r) & 0x9f;
    }
    c->pmpaddr[RISCV_PMP_ENTRIES - 1] = UINT64_MAX >> 10;
    c->pmpcfg[RISCV_PMP_ENTRIES - 1] = 0x1f;
    c->pc = RAM_BASE + CODE;
    must(isa_riscv.state->post_load(c, &err), &err);
}

static void run(struct machine *m)
{
    struct vcpu *v = &m->vm.vcpus[0];
    struct vm_exit exit = {0};
    struct error err = {0};
    gpa_wrote(&m->vm.mem, RAM_BASE, RAM);
    atomic_store(&v->requests, 0);
    must(engine_interp_riscv.state_put(v, &err), &err);
    atomic_fetch_add(&m->runs, 1);
    atomic_store(&m->running, 1);
    for (unsigned i = 0; i < EXITS; i++) {
        engine_interp_riscv.run(v, &exit);
        if (exit.reason != EXIT_HALT)
            break;
        riscv_set_line(m->cpu, RISCV_LINE_MTIP, true);
    }
    atomic_store(&m->running, 0);
    if (exit.reason == EXIT_FAILED || exit.reason == EXIT_SHUTDOWN || m->cpu->x[0])
        abort(); /* neither exists here */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine *m;
    uint64_t seed = 0;
    if (!m)
        m = machine_create();
    size_t head = size < sizeof(seed) ? size : sizeof(seed);
    memcpy(&seed, data, head);
    m->noise = seed | 1;
    uint64_t random = seed * 2 + 1;
    memset(m->ram, 0, RAM);
    make_code(m, &random);
    make_tables(m, &random);
    make_state(m, &random);
    memcpy(m->ram + CODE, data + head, size - head < CODE_LEN ? size - head : CODE_LEN);
    run(m);
    return 0;
}
