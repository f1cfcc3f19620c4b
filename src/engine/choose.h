/*
 * The decision behind `--engine auto`, apart from the measurements it rests on.
 */
#ifndef DOPPEL_ENGINE_CHOOSE_H
#define DOPPEL_ENGINE_CHOOSE_H

#include "engine/engine.h"

/* What a host turned out to offer. An error's text is empty where there was none. */
struct engine_host {
    struct error kvm;  /* why KVM cannot be used */
    unsigned kvm_kips; /* else its speed at CPL 0, in thousands of instructions a second */
    struct error dbt;  /* why code cannot be translated here */
};

/* The fastest engine for such a host, and the choice with its reason in one line. */
const struct engine_ops *engine_pick(const struct engine_host *host, char *why, unsigned why_len);

#endif
