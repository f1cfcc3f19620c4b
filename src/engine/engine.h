/*
 * Who runs a guest CPU. About ten calls; for each: who calls it and which side holds the truth.
 *
 * "The truth" is the authoritative copy of a vCPU's architectural state: either vcpu->cpu (the
 * ISA's structure, described by isa_ops.state) or the engine's own (a KVM vCPU). The interpreter
 * works on vcpu->cpu itself, so its state_get and state_put do nothing.
 */
#ifndef DOPPEL_ENGINE_ENGINE_H
#define DOPPEL_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/compiler.h"
#include "base/error.h"

struct vm;
struct vcpu;
struct isa_ops;

enum vm_exit_reason {
    EXIT_MMIO,      /* guest touched no memory slot: complete it, then run again (before parking) */
    EXIT_PIO,       /* port I/O; the same */
    EXIT_HALT,      /* nothing to do until a request bit is set */
    EXIT_HYPERCALL, /* not claimed by the engine */
    EXIT_DEBUG,     /* breakpoint or single step for the debugger */
    EXIT_SHUTDOWN,  /* triple fault: the machine resets */
    EXIT_INTERRUPTED, /* a request bit is set */
    EXIT_FAILED,      /* the engine cannot go on; `error` says why; stops this VM only */
};

struct vm_exit {
    enum vm_exit_reason reason;
    union {
        struct {
            gpa_t addr;
            uint8_t *data;  /* `size` bytes, engine-owned, little-endian; reads fill it */
            uint32_t size;  /* of one access */
            uint32_t count; /* PIO string: repetitions; MMIO: 1 */
            bool write;
        } io;
        struct error error;
    };
};

/* Platform features that an engine can take over from our own chips. */
enum engine_cap {
    ENGINE_CAP_IRQCHIP = 1 << 0,  /* LAPIC, IOAPIC, PIC, PIT live in the engine (KVM) */
    ENGINE_CAP_DOORBELL = 1 << 1, /* engine_ops.doorbell works */
    ENGINE_CAP_HOST_CPU = 1 << 2, /* guest code runs on the host's processor, leaks and all */
};

/* Takes one counter; names are static or the engine's. */
typedef void engine_stat_fn(void *opaque, const char *group, const char *name, double value);

/* Bounds of vm_params.code_cache, in bytes. */
#define ENGINE_CODE_CACHE_MIN (UINT64_C(4) << 20)
#define ENGINE_CODE_CACHE_MAX (UINT64_C(1) << 30)

struct engine_ops {
    const char *name;
    unsigned caps;
    uint8_t time_shift; /* guest time runs at 1/2^n: for engines so slow that timers would eat them
                           up */

    /* Can this host run it? 0, or -errno with a sentence. No VM yet. Called by the command. */
    int (*probe)(struct error *err);

    /* Called once by vm_create(), after memory slots exist and before vCPUs. */
    int (*vm_init)(struct vm *vm, struct error *err);
    void (*vm_destroy)(struct vm *vm);
    /* Called for each vCPU by vm_create(), on the creating thread; vcpu->cpu exists and is reset.
     */
    int (*vcpu_init)(struct vcpu *v, struct error *err);
    void (*vcpu_destroy)(struct vcpu *v);

    /*
     * Called by the run loop on the vCPU's own thread, again and again. Returns at the latest soon
     * after kick. While it runs the engine holds the truth; between calls state_get is needed.
     */
    void (*run)(struct vcpu *v, struct vm_exit *exit);
    /* Make run() return or notice request bits soon. Any thread; must not block or take locks. */
    void (*kick)(struct vcpu *v);

    /* Make vcpu->cpu true (and, with ENGINE_CAP_IRQCHIP, the chip models too). vCPU parked. */
    int (*state_get)(struct vcpu *v, struct error *err);
    /* vcpu->cpu was changed (reset, load): make the engine's copy true. vCPU parked. */
    int (*state_put)(struct vcpu *v, struct error *err);
    /* Once a VM: the interrupt chips that live in the engine <-> our models. NULL without IRQCHIP.
     */
    int (*chips_get)(struct vm *vm, struct error *err);
    int (*chips_put)(struct vm *vm, struct error *err);

    /* The guest-physical map changed (slots added). vCPUs parked. NULL: nothing to do. */
    int (*memory_changed)(struct vm *vm, struct error *err);
    /* Turn dirty logging on or off, and collect: bit i of `bitmap` = page i of slot `slot`. */
    int (*dirty_log)(struct vm *vm, bool on, struct error *err);
    int (*dirty_collect)(struct vm *vm, unsigned slot, uint64_t *bitmap, struct error *err);
    /* Decoded code went stale: lines of this page (guest_mem.code_written). Any thread. NULL where
     * hardware copes. */
    void (*code_changed)(struct vm *vm, gpa_t page, uint64_t lines);

    /* Counters of the whole VM, for --stats. vCPUs parked. NULL: none. */
    void (*stats)(struct vm *vm, engine_stat_fn *add, void *opaque);

    /* With ENGINE_CAP_IRQCHIP: raise GSI lines and send MSIs. Any thread. */
    void (*irq_set)(struct vm *vm, unsigned gsi, bool level);
    void (*msi_send)(struct vm *vm, uint64_t addr, uint32_t data);
    /* As irq_msi.route and .unroute; NULL where messages are only sent. */
    int (*msi_route)(struct vm *vm, int fd, uint64_t addr, uint32_t data);
    void (*msi_unroute)(struct vm *vm, int fd);
    /* With ENGINE_CAP_DOORBELL. */
    int (*doorbell)(struct vm *vm, gpa_t addr, unsigned size, int fd, bool on);
};

extern const struct engine_ops engine_dbt;
/* dbt checked against interp, block by block; strictly: flags that nobody reads, too */
extern const struct engine_ops engine_lockstep;
extern const struct engine_ops engine_lockstep_strict;
extern const struct engine_ops engine_interp;
extern const struct engine_ops engine_dbt_riscv;
extern const struct engine_ops engine_interp_riscv;
extern const struct engine_ops engine_kvm;

/* "auto" or an engine's name, for guests of that architecture: probe and choose; the reason in one
 * line to `why` (at least 200 bytes). */
int engine_choose(const char *name, const struct isa_ops *isa, const struct engine_ops **out,
                  char *why, unsigned why_len, struct error *err) must_check;

#endif
