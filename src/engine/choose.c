/*
 * Which engine runs a machine: the one asked for, or the fastest that this host really has.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/kvm/kvm.h"

/* Slower than this, a KVM is software itself, and our interpreter is the better choice. */
enum { KVM_MIN_KIPS = 50000 };

/* `auto`: KVM if it exists and runs kernel code at a processor's speed. Never fails. */
static const struct engine_ops *choose_auto(char *why, unsigned why_len)
{
    struct error err = {0};
    unsigned kips;
    int r = engine_kvm.probe(&err);
    if (r == 0)
        r = kvm_prove(&kips, &err);
    if (r < 0) {
        snprintf(why, why_len, "engine: interp (%s)", err.text);
        return &engine_interp;
    }
    if (kips < KVM_MIN_KIPS) {
        snprintf(why, why_len,
                 "engine: interp (KVM here runs kernel code at %.1f MIPS: it is emulated)",
                 kips / 1000.0);
        return &engine_interp;
    }
    snprintf(why, why_len, "engine: kvm");
    return &engine_kvm;
}

int engine_choose(const char *name, const struct engine_ops **out, char *why, unsigned why_len,
                  struct error *err)
{
    static const struct engine_ops *const engines[] = {&engine_kvm, &engine_dbt, &engine_interp,
                                                       &engine_lockstep, &engine_lockstep_strict};
    if (strcmp(name, "auto") == 0) {
        *out = choose_auto(why, why_len);
        return 0;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(engines); i++) {
        if (strcmp(name, engines[i]->name) != 0)
            continue;
        snprintf(why, why_len, "engine: %s", name);
        *out = engines[i];
        return engines[i]->probe ? engines[i]->probe(err) : 0;
    }
    return error_set(err, EINVAL, "there is no engine \"%s\"; choose auto, kvm, dbt or interp",
                     name);
}
