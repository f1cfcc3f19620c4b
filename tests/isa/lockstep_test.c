/*
 * The translator against the interpreter: random programs under the engine that compares them block
 * by block. The programs are lockstep_program.c's.
 *
 * lockstep_test [--programs N | --seconds N] [--seed N] [--strict 1] [--mixed 1]
 *
 * What differs is told with the seed of its program: --programs 1 --seed SEED runs that one alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lockstep_program.h"

enum { SKIPPED = 77, WRITES = 150, SLICE_NS = 200000000 };

struct options {
    unsigned programs;
    double seconds;
    uint64_t seed;
    const struct engine_ops *engine;
    bool mixed; /* blocks check themselves */
};

static bool parse(struct options *o, int argc, char **argv)
{
    *o = (struct options){.programs = 1, .seed = 1, .engine = &engine_lockstep};
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *key = argv[i], *v = argv[i + 1];
        if (!strcmp(key, "--programs"))
            o->programs = (unsigned)atoi(v);
        else if (!strcmp(key, "--seconds"))
            o->seconds = atof(v);
        else if (!strcmp(key, "--seed"))
            o->seed = strtoull(v, NULL, 0);
        else if (!strcmp(key, "--strict"))
            o->engine = atoi(v) ? &engine_lockstep_strict : &engine_lockstep;
        else if (!strcmp(key, "--mixed"))
            o->mixed = atoi(v);
        else
            return false;
    }
    return argc % 2 == 1;
}

static double seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* False: the engines differ. */
static bool run(struct machine *m, uint64_t seed)
{
    machine_reset(m, seed);
    lockstep_program_make(m, seed);
    m->writes = WRITES;
    machine_run(m);
    if (m->vm.end == VM_RUNNING)
        return true;
    printf("%s: --programs 1 --seed 0x%llx\n", m->vm.failure.text, (unsigned long long)seed);
    return false;
}

int main(int argc, char **argv)
{
    struct options o;
    struct error err = {0};
    unsigned n = 0;
    if (!parse(&o, argc, argv)) {
        fprintf(stderr, "usage: lockstep_test [--programs N | --seconds N] [--seed N]"
                        " [--strict 1] [--mixed 1]\n");
        return 2;
    }
    if (o.engine->probe(&err) < 0) {
        printf("skipped: %s\n", err.text);
        return SKIPPED;
    }
    struct machine *m = machine_create(o.engine);
    m->slice_ns = SLICE_NS;
    if (o.mixed)
        machine_mix(m);
    bool same = true;
    for (; same && (n < o.programs || seconds() < o.seconds); n++)
        same = run(m, o.seed + n);
    const struct vcpu_stats *st = &m->vm.vcpus[0].stats;
    printf("%u programs, %llu blocks translated, %llu exceptions, %llu interrupts\n", n,
           (unsigned long long)st->blocks, (unsigned long long)st->exceptions,
           (unsigned long long)st->interrupts);
    machine_destroy(m);
    return !same;
}
