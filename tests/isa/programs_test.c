/*
 * Whole programs on the interpreter and on the translator, which links their blocks, jumps through
 * its tables and goes in and out as it does for a guest (lockstep_test lets it do none of that):
 * after some hundred port writes memory and registers must be the same.
 *
 * programs_test [--programs N | --seconds N] [--seed N] [--writes N] [--mixed 1]
 *
 * What differs is told with the seed of its program; fewer writes show how early.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lockstep_program.h"

enum { SKIPPED = 77, WRITES = 300, SLICE_NS = 50000000 };

/*
 * Left out: the handlers' stack, where flags that nobody reads lie, and the page tables, whose
 * accessed bits show how far ahead an engine looks.
 */
enum { STACK = 0x3000, STACK_END = 0x4000, TABLES = 0x80000, TABLES_END = 0xc0000 };

/* What a machine looked like at its last write. */
struct picture {
    bool taken;
    uint64_t gpr[16], cr2, cr3, fs, gs;
    uint8_t xmm[256], ymm[256];
    uint8_t ram[MACHINE_RAM];
};

static struct picture *taking; /* the callback has no argument of its own */

static void take(struct machine *m)
{
    const struct x86_cpu *c = m->cpu;
    struct picture *p = taking;
    p->taken = true;
    memcpy(p->gpr, c->gpr, sizeof(p->gpr));
    p->cr2 = c->cr2;
    p->cr3 = c->cr3;
    p->fs = c->seg[SEG_FS].base;
    p->gs = c->seg[SEG_GS].base;
    memcpy(p->xmm, c->xsave + XS_XMM, sizeof(p->xmm));
    memcpy(p->ymm, c->xsave + XS_YMMH, sizeof(p->ymm));
    memcpy(p->ram, m->ram, sizeof(p->ram));
    memset(p->ram + STACK, 0, STACK_END - STACK);
    memset(p->ram + TABLES, 0, TABLES_END - TABLES);
}

static void run(struct machine *m, uint64_t seed, uint64_t writes, struct picture *p)
{
    taking = p;
    p->taken = false;
    machine_reset(m, seed);
    lockstep_program_make(m, seed);
    m->writes = writes;
    machine_run(m);
}

static void tell(const char *what, uint64_t seed)
{
    printf("%s differs: --programs 1 --seed 0x%llx\n", what, (unsigned long long)seed);
}

static void tell_memory(const struct picture *a, const struct picture *b)
{
    for (unsigned i = 0, n = 0; i < MACHINE_RAM && n < 8; i++) {
        if (a->ram[i] == b->ram[i])
            continue;
        printf("  0x%x: interp %02x, dbt %02x\n", i, a->ram[i], b->ram[i]);
        n++;
    }
}

static bool same(const struct picture *a, const struct picture *b, uint64_t seed)
{
    if (!a->taken || !b->taken)
        return true; /* it never came so far, on one of them within its time */
    for (unsigned i = 0; i < 16; i++) {
        if (a->gpr[i] != b->gpr[i])
            printf("  gpr[%u]: interp 0x%llx, dbt 0x%llx\n", i, (unsigned long long)a->gpr[i],
                   (unsigned long long)b->gpr[i]);
    }
    if (memcmp(a->gpr, b->gpr, offsetof(struct picture, xmm) - offsetof(struct picture, gpr)))
        tell("a register", seed);
    else if (memcmp(a->xmm, b->xmm, sizeof(a->xmm)) || memcmp(a->ymm, b->ymm, sizeof(a->ymm)))
        tell("a vector register", seed);
    else if (memcmp(a->ram, b->ram, sizeof(a->ram)))
        tell("memory", seed);
    else
        return true;
    tell_memory(a, b);
    return false;
}

struct options {
    unsigned programs;
    double seconds;
    uint64_t seed, writes;
    bool mixed; /* blocks check themselves */
};

static bool parse(struct options *o, int argc, char **argv)
{
    *o = (struct options){.programs = 1, .seed = 1, .writes = WRITES};
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *key = argv[i], *v = argv[i + 1];
        if (!strcmp(key, "--programs"))
            o->programs = (unsigned)atoi(v);
        else if (!strcmp(key, "--seconds"))
            o->seconds = atof(v);
        else if (!strcmp(key, "--seed"))
            o->seed = strtoull(v, NULL, 0);
        else if (!strcmp(key, "--writes"))
            o->writes = strtoull(v, NULL, 0);
        else if (!strcmp(key, "--mixed"))
            o->mixed = atoi(v);
        else
            return false;
    }
    return argc % 2 == 1;
}

static struct machine *create(const struct engine_ops *engine)
{
    struct machine *m = machine_create(engine);
    m->slice_ns = SLICE_NS;
    m->last_write = take;
    m->quiet = true;
    return m;
}

int main(int argc, char **argv)
{
    static struct picture a, b;
    struct options o;
    struct error err = {0};
    unsigned n = 0, compared = 0;
    bool ok = true;
    if (!parse(&o, argc, argv)) {
        fprintf(stderr, "usage: programs_test [--programs N | --seconds N] [--seed N]"
                        " [--writes N] [--mixed 1]\n");
        return 2;
    }
    if (engine_dbt.probe(&err) < 0) {
        printf("skipped: %s\n", err.text);
        return SKIPPED;
    }
    struct machine *interp = create(&engine_interp), *dbt = create(&engine_dbt);
    if (o.mixed)
        machine_mix(dbt);
    for (; ok && (n < o.programs || clock() < o.seconds * CLOCKS_PER_SEC); n++) {
        run(interp, o.seed + n, o.writes, &a);
        run(dbt, o.seed + n, o.writes, &b);
        compared += a.taken && b.taken;
        ok = same(&a, &b, o.seed + n);
    }
    printf("%u programs, %u compared\n", n, compared);
    machine_destroy(interp);
    machine_destroy(dbt);
    return !ok;
}
