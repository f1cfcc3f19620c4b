/*
 * Inside board/virt: the machine's parts.
 */
#ifndef DOPPEL_BOARD_VIRT_VIRT_IMPL_H
#define DOPPEL_BOARD_VIRT_VIRT_IMPL_H

#include "board/board.h"
#include "board/boot/riscv.h"
#include "board/virt/htif.h"
#include "board/virtio_slots.h"
#include "irq/riscv/aclint.h"
#include "irq/riscv/plic.h"
#include "isa/riscv/cpu.h"

/* What the harts are told to be, in the device tree. */
#define VIRT_ISA                                                                                   \
    "rv64imafdc_zicbom_zicboz_zicond_zicsr_zifencei_zba_zbb_zbs_sstc_svadu_svnapot_svpbmt"

/* What a hart's Hart State Management calls tell; only the hart itself stops itself. */
enum virt_hart_state { VIRT_HART_STARTED = 0, VIRT_HART_STOPPED = 1 }; /* [SBI 2.0 table 9.1] */

/* How one hart's instructions reach the machine, and its part of what firmware would keep. */
struct virt_hart {
    struct virt *virt;
    unsigned id;
    _Atomic uint8_t state;         /* enum virt_hart_state */
    _Atomic uint64_t timer_target; /* stimecmp as the timer's thread sees it; UINT64_MAX: off */
    struct evloop_timer timer;
};

struct virt {
    struct vm *vm;
    struct board_config cfg;
    struct virt_hart hart[VM_MAX_VCPUS];
    struct plic *plic;
    struct aclint *aclint;
    struct virt_harts *harts; /* virt_timer.c's */
    struct pci_bus *pci;
    struct virtio_slots slots;
    struct htif *htif;
    struct chr_backend *console, *virtio_console;
    struct riscv_boot loaded;
    bool booted; /* RAM may hold anything */
};

static inline struct riscv_cpu *virt_cpu(struct virt *v, unsigned hart)
{
    return v->vm->vcpus[hart].cpu;
}

/* virt_cpu.c: the harts' environment; the wires into them. */
int virt_create_cpus(struct virt *v, struct error *err) must_check;
struct irq_line virt_hart_line(struct virt *v, unsigned hart, enum riscv_line line);
/* virt_timer.c: supervisor timers, and what of the harts is not saved with their registers. */
int virt_create_timers(struct virt *v, struct error *err) must_check;
void virt_stimecmp_changed(void *hart, struct riscv_cpu *c);
/* virt_chips.c: interrupt controllers, serial line, clock, PCI, virtio. */
int virt_create_chips(struct virt *v, struct error *err) must_check;
/* virt_boot.c: kernel, device tree, the harts' first instructions. */
int virt_boot(struct vm *vm, struct error *err) must_check;
/* sbi.c: riscv_env.ecall, for kernels without firmware; `hart` is a struct virt_hart. */
bool virt_sbi_call(void *hart, struct riscv_cpu *c);

#endif
