/*
 * Who runs the harts of a process VM. Their memory is direct: guest address a is host address
 * base + a (struct riscv_cpu, flat_base). There is no machine around them, so this is all that an
 * engine offers; src/process is the only user.
 *
 * Faults. A load or store below `size` is done without a look; what the host refuses arrives as
 * SIGSEGV or SIGBUS on the hart's thread. The handler is src/process's; it asks host_fault() for
 * a way out. An address at or above `size` the engine raises itself, as cause 5 or 7.
 * No file descriptor stays open: their numbers are the program's.
 * Code may be fetched where executable() says so; else cause 12 (instruction page fault).
 */
#ifndef DOPPEL_ENGINE_FLAT_H
#define DOPPEL_ENGINE_FLAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/compiler.h"
#include "base/error.h"
#include "isa/riscv/cpu.h"

/* What the harts of a process share; filled by src/process before init(). */
struct flat_space {
    hva_t base;
    uint64_t size;
    uint64_t code_cache; /* bytes; 0: the engine's choice */
    /* May code be fetched from the page of va? Any hart's thread, while it runs; does not block
     * for long. */
    bool (*executable)(void *opaque, gva_t va);
    void *opaque;
    void *engine; /* the engine's own */
};

enum flat_exit {
    FLAT_ATTENTION, /* c->attention is not zero; it stays so, the caller clears it */
    FLAT_EXCEPTION, /* c->exc_cause, exc_tval; c->pc is the instruction's. ECALL is cause 8 */
};

struct flat_engine {
    const char *name;
    /* Can this host run it? NULL: every host can. */
    int (*probe)(struct error *err);
    /* Once a process, before harts exist. */
    int (*init)(struct flat_space *space, struct error *err);
    void (*destroy)(struct flat_space *space);
    /*
     * A new hart, zeroed but for its state (x, pc, f ...), id, env and flat_base, flat_size. On any
     * thread, also while others run. The engine may use c->vcpu, slow, op ...
     */
    int (*hart_init)(struct flat_space *space, struct riscv_cpu *c, struct error *err);
    void (*hart_destroy)(struct riscv_cpu *c);
    /* Guest code until something comes up. On the hart's thread, with its own signals open. */
    enum flat_exit (*run)(struct riscv_cpu *c);
    /*
     * Code in [start, end) changed, or is not code any more: this hart must not run what it made
     * of it. On the hart's own thread, outside run(). (Which harts need it, and when, is the
     * caller's business; fence.i the engine handles by itself, for its own hart.)
     */
    void (*drop_code)(struct riscv_cpu *c, gva_t start, gva_t end);
    /*
     * In a signal handler on the hart's thread, on the alternate signal stack, during run(): guest
     * memory refused an access. The engine makes run() return FLAT_EXCEPTION with this cause and
     * address, by not returning (siglongjmp; the handler has SA_NODEFER) or by changing the
     * ucontext_t and returning true. False: it was no access of the guest's.
     */
    bool (*host_fault)(struct riscv_cpu *c, uint64_t cause, uint64_t tval, void *ucontext);
    /* In the child of a fork(), in which only the calling hart lives on. NULL: nothing to do. */
    void (*after_fork)(struct flat_space *space, struct riscv_cpu *c);
};

/* "auto" or an engine's name: what the host can run; NULL: no such engine, or not here. */
const struct flat_engine *flat_engine_choose(const char *name, struct error *err);

extern const struct flat_engine flat_interp_riscv;
extern const struct flat_engine flat_dbt_riscv;

#endif
