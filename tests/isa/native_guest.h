/*
 * A struct x86_cpu with flat memory (guest virtual = host address) and nothing else around it.
 */
#ifndef TESTS_ISA_NATIVE_GUEST_H
#define TESTS_ISA_NATIVE_GUEST_H

#include "isa/x86/native.h"
#include "isa/x86/op.h"

#include "native_host.h"

struct guest {
    struct x86_cpu *c;
    struct x86_op op;
    struct tlb tlb;
    bool use_tlb;           /* memory hits the TLB, else goes through x86_cpu.slow */
    uint64_t mem, mem_size; /* what there is; elsewhere accesses fault */
    uint64_t bad_page;      /* accesses to this page fault with vector 14 */
    int vector;             /* of what was raised, or -1 */
};

struct guest *guest_create(void);
void guest_destroy(struct guest *g);
void guest_set(struct guest *g, const struct host_state *in);
void guest_get(const struct guest *g, struct host_state *out);
/* Execute a decoded instruction at `rip`; false: x86_native_prepare() refused it. */
bool guest_run(struct guest *g, const struct x86_insn *in, uint64_t rip);

#endif
