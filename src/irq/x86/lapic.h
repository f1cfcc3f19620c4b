/*
 * The local APIC of one vCPU, and the bus that carries interrupt messages between them. [SDM 3A 11]
 *
 * Who may call what
 * 1. Any thread may deliver: lapic_bus_deliver(), lapic_lint_set(). They only set bits atomically
 *    (IRR, TMR, ESR) and then kick the target, so they may be called under any device's or chip's
 *    lock.
 * 2. Everything that reads or writes ISR, PPR and the registers runs on the vCPU's own thread, with
 *    no lock held: an EOI walks on to the IOAPIC, which takes its own lock and may deliver again.
 * 3. The timer is shared between the vCPU and the event loop and is guarded by dev.lock.
 * 4. The APIC page belongs to a vCPU, not to the bus: the caller asks lapic_claims() before it goes
 *    to the MMIO space.
 */
#ifndef DOPPEL_IRQ_X86_LAPIC_H
#define DOPPEL_IRQ_X86_LAPIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dev/dev.h"

enum { LAPIC_MAX_CPUS = 8, LAPIC_PAGE_BYTES = 1024 };
#define LAPIC_DEFAULT_BASE UINT64_C(0xfee00000)
#define LAPIC_BROADCAST    UINT32_MAX

/* Delivery modes, as ICR, LVT, IOAPIC and MSI encode them [SDM 3A 11.6.1] */
enum lapic_dm { DM_FIXED, DM_LOWEST, DM_SMI, DM_RESERVED, DM_NMI, DM_INIT, DM_SIPI, DM_EXTINT };

/* What a kick asks of the target vCPU. `vector` counts for SIPI only. */
enum lapic_kick { LAPIC_KICK_INTERRUPT, LAPIC_KICK_NMI, LAPIC_KICK_INIT, LAPIC_KICK_SIPI };

/* The APICs' way to the rest of the machine. None may be NULL. */
struct lapic_ops {
    /* Any thread, possibly under chip and device locks; must not block. */
    void (*kick)(void *opaque, unsigned cpu, enum lapic_kick what, uint8_t vector);
    /* The guest's TSC now, and the guest clock's ns, rounded up, at which it reads `tsc`.
     * vCPU or event loop thread, under that lapic's dev.lock. */
    uint64_t (*tsc_now)(void *opaque, unsigned cpu);
    uint64_t (*tsc_to_clock)(void *opaque, unsigned cpu, uint64_t tsc);
    /* A level-triggered vector was completed. vCPU thread, no lock held. */
    void (*eoi)(void *opaque, uint8_t vector);
    /* The PIC's acknowledge cycle: a vector, or -1. vCPU thread, no lock held. */
    int (*extint_ack)(void *opaque);
};

struct lapic;

/* Zero-initialise, set ops, opaque and the flags, then create the APICs on it. */
struct lapic_bus {
    const struct lapic_ops *ops;
    void *opaque;
    bool directed_eoi; /* offer EOI broadcast suppression; the IOAPIC then needs version 0x20 */
    bool in_engine;    /* the engine's own APICs run; these only hold state, no timers */
    struct lapic *cpu[LAPIC_MAX_CPUS]; /* by APIC ID, dense from 0 */
    unsigned n;
};

/* An interrupt message from an ICR, an IOAPIC pin or an MSI. */
struct lapic_msg {
    uint32_t dest; /* LAPIC_BROADCAST for all; 8-bit senders translate their 0xff */
    uint8_t vector;
    uint8_t mode; /* enum lapic_dm */
    bool logical;
    bool level; /* trigger mode: an EOI is wanted by the IOAPIC */
};

enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LAPIC_LVTS };

#define LAPIC_STATE(S, A, B, N)                                                                    \
    S(_Atomic uint64_t, apic_base) /* the MSR */                                                   \
    S(_Atomic uint32_t, ldr)                                                                       \
    S(_Atomic uint32_t, dfr)                                                                       \
    S(_Atomic uint32_t, svr)                                                                       \
    S(_Atomic uint8_t, tpr)                                                                        \
    A(_Atomic uint32_t, irr, 8)                                                                    \
    A(uint32_t, isr, 8)                                                                            \
    A(_Atomic uint32_t, tmr, 8)                                                                    \
    S(uint32_t, esr)                 /* as read */                                                 \
    S(_Atomic uint32_t, esr_pending) /* collected since the last write to ESR */                   \
    S(uint64_t, icr)                                                                               \
    A(_Atomic uint32_t, lvt, LAPIC_LVTS)                                                           \
    S(uint32_t, timer_initial)                                                                     \
    S(uint32_t, timer_divide)                                                                      \
    S(uint64_t, timer_expiry) /* guest clock ns of the next expiry; 0 when stopped */              \
    S(uint64_t, tsc_deadline)                                                                      \
    A(_Atomic bool, lint, 2) /* input levels */

struct lapic {
    struct dev dev;
    struct lapic_bus *bus;
    unsigned id;
    STATE_MEMBERS(LAPIC_STATE)
    uint8_t ppr;                /* derived from TPR and ISR; owner only */
    _Atomic uint32_t irr_words; /* bit w: irr[w] may be non-zero; never clear while it is */
    struct evloop_timer timer;
    bool parked; /* between quiesce and resume no timer runs; dev.lock */
};

extern const struct state_desc lapic_state;

/* APIC of CPU `id` = bus->n; joins the bus. */
int lapic_create(struct lapic **out, const struct dev_host *host, struct lapic_bus *bus) must_check;

/* Any thread. True when a CPU took it. */
bool lapic_bus_deliver(struct lapic_bus *bus, const struct lapic_msg *msg);
/* The PIC's output is wired to LINT0 of every CPU, NMI sources to LINT1. Any thread. */
void lapic_lint_set(struct lapic *l, unsigned pin, bool level);

bool lapic_pending_by_priority(struct lapic *l);

/* Own thread: is there anything to take, by priority? (IF is the CPU's business.) An engine asks
 * this often, and the answer is nearly always that nothing came at all. */
static inline bool lapic_pending(struct lapic *l)
{
    if (likely(!atomic_load_explicit(&l->irr_words, memory_order_relaxed) &&
               !atomic_load_explicit(&l->lint[0], memory_order_relaxed)))
        return false;
    return lapic_pending_by_priority(l);
}

/* Own thread: take it. IRR to ISR; or the PIC's vector. -1 when it went away. */
int lapic_ack(struct lapic *l);
uint64_t lapic_cr8(const struct lapic *l);
void lapic_set_cr8(struct lapic *l, uint64_t v);

/* The vCPU took an INIT: everything but the ID and APIC_BASE goes to reset. Own thread. */
void lapic_take_init(struct lapic *l);

/* Own thread. Is `gpa` in this CPU's APIC page now? */
bool lapic_claims(const struct lapic *l, uint64_t gpa);
enum io_status lapic_mmio_read(struct lapic *l, uint64_t off, unsigned size, uint64_t *val);
enum io_status lapic_mmio_write(struct lapic *l, uint64_t off, unsigned size, uint64_t val);
/* IA32_APIC_BASE, IA32_TSC_DEADLINE, 0x800-0x8ff. false: #GP. */
bool lapic_msr_read(struct lapic *l, uint32_t msr, uint64_t *val);
bool lapic_msr_write(struct lapic *l, uint32_t msr, uint64_t val);
/* The guest moved its TSC: an armed deadline must be timed anew. */
void lapic_tsc_changed(struct lapic *l);

/*
 * To and from the register page of KVM_GET_LAPIC / KVM_SET_LAPIC (1 KiB; APIC ID always in bits
 * 31-24). APIC_BASE and TSC_DEADLINE travel as MSRs: set them before the page. vCPU parked.
 */
void lapic_to_page(struct lapic *l, uint8_t page[LAPIC_PAGE_BYTES]);
int lapic_from_page(struct lapic *l, const uint8_t page[LAPIC_PAGE_BYTES], struct error *err)
    must_check;

#endif
