/*
 * Which engine runs a machine: the one asked for, or the fastest that this host really has.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/choose.h"
#include "engine/flat.h"
#include "engine/kvm/kvm.h"
#include "isa/isa.h"

/* Slower than this, a KVM is software itself, and our own engines are the better choice. */
enum { KVM_MIN_KIPS = 50000 };

/* In a sentence's brackets; empty: KVM is fine. */
static void judge_kvm(const struct engine_host *host, char *text, size_t len)
{
    if (host->kvm.text[0])
        snprintf(text, len, "%s", host->kvm.text);
    else if (host->kvm_kips < KVM_MIN_KIPS)
        snprintf(text, len, "KVM here runs kernel code at %.1f MIPS: it is emulated",
                 host->kvm_kips / 1000.0);
    else
        text[0] = 0;
}

const struct engine_ops *engine_pick(const struct engine_host *host, char *why, unsigned why_len)
{
    char no_kvm[sizeof(host->kvm.text)];
    judge_kvm(host, no_kvm, sizeof(no_kvm));
    if (!no_kvm[0]) {
        snprintf(why, why_len, "engine: kvm");
        return &engine_kvm;
    }
    if (!host->dbt.text[0]) {
        snprintf(why, why_len, "engine: dbt (%s)", no_kvm);
        return &engine_dbt;
    }
    snprintf(why, why_len, "engine: interp (%s; %s)", no_kvm, host->dbt.text);
    return &engine_interp;
}

/* `auto`: KVM if it exists and runs kernel code at a processor's speed, else translation. Never
 * fails. */
static const struct engine_ops *choose_auto(char *why, unsigned why_len)
{
    struct engine_host host = {0};
    int r = engine_kvm.probe(&host.kvm);
    if (r == 0)
        r = kvm_prove(&host.kvm_kips, &host.kvm);
    if (r < 0 && !host.kvm.text[0])
        error_set(&host.kvm, -r, "KVM does not work here");
    r = engine_dbt.probe(&host.dbt);
    if (r < 0 && !host.dbt.text[0])
        error_set(&host.dbt, -r, "code cannot be translated here");
    return engine_pick(&host, why, why_len);
}

static const struct engine_ops *const for_x86[] = {&engine_kvm, &engine_dbt, &engine_interp,
                                                   &engine_lockstep, &engine_lockstep_strict};
/* The fastest first. */
static const struct engine_ops *const for_riscv[] = {&engine_dbt_riscv, &engine_interp_riscv};

/* `auto` for a foreign architecture: the first that this host can run. */
static int choose_first(const struct engine_ops **out, char *why, unsigned why_len,
                        struct error *err)
{
    int r = -ENOENT;
    for (unsigned i = 0; i < ARRAY_SIZE(for_riscv) && r < 0; i++) {
        *out = for_riscv[i];
        r = (*out)->probe ? (*out)->probe(err) : 0;
    }
    snprintf(why, why_len, "engine: %s", (*out)->name);
    return r;
}

static int choose_named(const char *name, const struct isa_ops *isa, const struct engine_ops **out,
                        struct error *err)
{
    bool x86 = isa == &isa_x86;
    const struct engine_ops *const *list = x86 ? for_x86 : for_riscv;
    size_t n = x86 ? ARRAY_SIZE(for_x86) : ARRAY_SIZE(for_riscv);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(name, list[i]->name) != 0)
            continue;
        *out = list[i];
        return list[i]->probe ? list[i]->probe(err) : 0;
    }
    if (!x86)
        return error_set(err, EINVAL, "there is no engine \"%s\" for %s machines", name, isa->name);
    return error_set(err, EINVAL, "there is no engine \"%s\"; choose auto, kvm, dbt or interp",
                     name);
}

const struct flat_engine *flat_engine_choose(const char *name, struct error *err)
{
    static const struct flat_engine *const engines[] = {&flat_dbt_riscv, &flat_interp_riscv};
    for (unsigned i = 0; i < ARRAY_SIZE(engines); i++) {
        const struct flat_engine *e = engines[i];
        if (strcmp(name, e->name) == 0)
            return e->probe && e->probe(err) < 0 ? NULL : e;
        if (strcmp(name, "auto") == 0 && (!e->probe || e->probe(err) == 0))
            return e;
    }
    error_set(err, EINVAL, "engine %s does not run programs; choose auto, dbt or interp", name);
    return NULL;
}

int engine_choose(const char *name, const struct isa_ops *isa, const struct engine_ops **out,
                  char *why, unsigned why_len, struct error *err)
{
    if (strcmp(name, "auto") == 0) {
        if (isa != &isa_x86)
            return choose_first(out, why, why_len, err);
        *out = choose_auto(why, why_len);
        return 0;
    }
    snprintf(why, why_len, "engine: %s", name);
    return choose_named(name, isa, out, err);
}
