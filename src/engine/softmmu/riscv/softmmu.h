/*
 * softmmu for a RISC-V hart.
 */
#ifndef DOPPEL_ENGINE_SOFTMMU_RISCV_SOFTMMU_H
#define DOPPEL_ENGINE_SOFTMMU_RISCV_SOFTMMU_H

#include "engine/softmmu/softmmu.h"
#include "isa/riscv/cpu.h"

/* s zeroed but for its callbacks. Fills c->slow, c->phys, c->tlbs, c->vcpu. */
void riscv_softmmu_init(struct softmmu *s, struct vcpu *v, struct guest_mem *mem);

/* Where instruction bytes at `va` come from: their host and guest-physical address. Raises the
 * guest's fault. */
const uint8_t *riscv_softmmu_fetch(struct softmmu *s, gva_t va, gpa_t *gpa);

/* After riscv_softmmu_fetch(va): is the page mapped globally? */
bool riscv_softmmu_code_is_global(const struct softmmu *s, gva_t va);

#endif
