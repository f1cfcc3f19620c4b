/*
 * A virtual CPU: a host thread, request bits, and pointers to what the ISA and the engine keep.
 */
#ifndef DOPPEL_VM_VCPU_H
#define DOPPEL_VM_VCPU_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vm/stats.h"

struct softmmu;
struct vm;

/* Set by anyone (atomically, then vcpu_kick), taken by the vCPU's own thread. */
enum vcpu_request {
    VCPU_REQ_INTERRUPT = 1 << 0, /* the interrupt controller has something; re-evaluate */
    VCPU_REQ_PAUSE = 1 << 1,     /* park in vm_pause() */
    VCPU_REQ_STOP = 1 << 2,      /* leave the thread */
    VCPU_REQ_INIT = 1 << 3,      /* INIT message */
    VCPU_REQ_START = 1 << 4,     /* start-up message; its contents in start_addr and start_arg */
    VCPU_REQ_NMI = 1 << 5,
    VCPU_REQ_EXCLUSIVE = 1 << 6, /* another vCPU wants the world stopped */
};

struct vcpu {
    unsigned id;
    struct vm *vm;
    pthread_t thread;
    bool thread_started;
    void *cpu;           /* the ISA's state (struct x86_cpu) */
    void *engine_priv;   /* opaque to all but the engine */
    struct softmmu *mmu; /* of an engine that has one (engine/softmmu) */
    _Atomic uint32_t requests;
    /* Of VCPU_REQ_START, written before it is set; what isa_ops.cpu_start is given. */
    _Atomic uint64_t start_addr, start_arg;
    /* While halted the thread sleeps here; kick wakes it. */
    pthread_mutex_t sleep_lock;
    pthread_cond_t sleep_cond;
    _Atomic bool asleep;
    _Atomic bool in_guest; /* vm/exclusive.h */
    struct vcpu_stats stats;
};

/* Set request bits and make the vCPU look at them soon, whatever it does. Any thread, any lock. */
void vcpu_request(struct vcpu *v, uint32_t bits);
/* Take (clear) those of `bits` that are set. */
uint32_t vcpu_take(struct vcpu *v, uint32_t bits);
/* Sleep until a request bit is set. Own thread only. */
void vcpu_sleep(struct vcpu *v);

#endif
