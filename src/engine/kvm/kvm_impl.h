/*
 * Private to engine/kvm: what one machine and one vCPU keep, and what the parts call in each other.
 *
 * Who holds the truth: from vcpu_init on the KVM vCPU does; vcpu->cpu and the chip models are true
 * only between state_get / chips_get and the next run.
 */
#ifndef DOPPEL_ENGINE_KVM_KVM_IMPL_H
#define DOPPEL_ENGINE_KVM_KVM_IMPL_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "engine/engine.h"
#include "isa/x86/cpu.h"
#include "vm/vm.h"

/* More messages than these are sent by kvm_msi_send. */
enum { KVM_MAX_MESSAGES = 128 };

/* What an eventfd sends when it is written. */
struct kvm_message {
    bool used;
    int fd;
    uint64_t addr;
    uint32_t data;
};

struct kvm_machine {
    int sys; /* /dev/kvm */
    int fd;  /* the VM */
    struct kvm_cpuid2 *supported;
    uint64_t
        arch_capabilities; /* IA32_ARCH_CAPABILITIES that are true of this host and our model */
    bool has_tsc_deadline;
    bool log_dirty;
    unsigned nslots;        /* memory slots registered */
    _Atomic uint32_t lines; /* GSI levels as devices drive them; KVM does not tell them */
    _Atomic bool warned_msr, warned_tsc;
    pthread_mutex_t messages_lock; /* innermost */
    struct kvm_message messages[KVM_MAX_MESSAGES];
};

struct kvm_cpu {
    struct kvm_machine *machine;
    int fd;
    struct kvm_run *run;
    size_t run_size;
    _Atomic pid_t tid; /* thread to signal; 0 until it first runs */
    /* An MMIO access of a width that no bus has is handed out in pieces; these are left. */
    unsigned mmio_at, mmio_left;
    uint64_t tsc_khz;
    bool has_cpuid;
};

static inline struct kvm_machine *kvm_machine_of(struct vm *vm)
{
    return vm->engine_priv;
}

static inline struct kvm_cpu *kvm_cpu_of(struct vcpu *v)
{
    return v->engine_priv;
}

/* ioctl() by the tree's convention: its result, or -errno. */
int kvm_ioctl(int fd, unsigned long request, void *arg);
/* The same; a failure gets the sentence "KVM cannot `what`: reason". */
int kvm_call(int fd, unsigned long request, void *arg, const char *what, struct error *err)
    must_check;

/* kvm_vcpu.c */
int kvm_vcpu_create(struct vcpu *v, struct error *err) must_check;
void kvm_vcpu_destroy(struct vcpu *v);
void kvm_vcpu_run(struct vcpu *v, struct vm_exit *exit);
void kvm_vcpu_kick(struct vcpu *v);
int kvm_vcpu_install_signal(struct error *err) must_check;

/* kvm_state.c: everything of a vCPU; kvm_regs.c: general, segment, control, FPU, debug registers.
 */
int kvm_state_get(struct vcpu *v, struct error *err) must_check;
int kvm_state_put(struct vcpu *v, struct error *err) must_check;
int kvm_regs_get(struct kvm_cpu *k, struct x86_cpu *c, struct error *err) must_check;
int kvm_regs_put(struct kvm_cpu *k, struct x86_cpu *c, struct error *err) must_check;

/* kvm_msr.c */
void kvm_msrs_get(struct kvm_cpu *k, struct x86_cpu *c);
void kvm_msrs_put(struct kvm_cpu *k, const struct x86_cpu *c);
/* One register; false: KVM refuses it. */
bool kvm_msr_read(struct kvm_cpu *k, uint32_t msr, uint64_t *v);
bool kvm_msr_write(struct kvm_cpu *k, uint32_t msr, uint64_t v);

/* kvm_cpuid.c */
int kvm_cpuid_init(struct kvm_machine *m, struct error *err) must_check;
/* Tell KVM the guest's CPUID, the first time: before the guest runs, after a saved one is loaded.
 */
int kvm_cpuid_put(struct kvm_cpu *k, const struct x86_cpu *c, struct error *err) must_check;

/* kvm_tsc.c */
/* Returns the kHz at which the guest's counter will tick. */
uint64_t kvm_tsc_set_frequency(struct kvm_cpu *k, const struct x86_cpu *c);
void kvm_tsc_get(struct kvm_cpu *k, struct x86_cpu *c);
void kvm_tsc_put(struct kvm_cpu *k, const struct x86_cpu *c);

/* kvm_chips.c */
int kvm_chips_create(struct kvm_machine *m, struct error *err) must_check;
int kvm_chips_get(struct vm *vm, struct error *err) must_check;
int kvm_chips_put(struct vm *vm, struct error *err) must_check;
/* Our model of chip `name` (id in state files), NULL without one. */
struct dev *kvm_find_dev(struct vm *vm, const char *id);
/* kvm_route.c */
int kvm_routes_set(struct kvm_machine *m, struct error *err) must_check;
int kvm_msi_route(struct vm *vm, int fd, uint64_t addr, uint32_t data) must_check;
void kvm_msi_unroute(struct vm *vm, int fd);
/* kvm_pit.c: parts of those two. */
int kvm_pit_get(struct vm *vm, struct error *err) must_check;
int kvm_pit_put(struct vm *vm, struct error *err) must_check;
/* kvm_lapic.c: part of a vCPU's state. */
int kvm_lapic_get(struct vcpu *v, struct error *err) must_check;
int kvm_lapic_put(struct vcpu *v, struct error *err) must_check;

/* kvm_mem.c */
int kvm_mem_init(struct vm *vm, struct error *err) must_check;
int kvm_mem_changed(struct vm *vm, struct error *err) must_check;
int kvm_mem_dirty_log(struct vm *vm, bool on, struct error *err) must_check;
int kvm_mem_dirty_collect(struct vm *vm, unsigned slot, uint64_t *bitmap, struct error *err)
    must_check;

/* kvm_doorbell.c */
void kvm_irq_set(struct vm *vm, unsigned gsi, bool level);
void kvm_msi_send(struct vm *vm, uint64_t addr, uint32_t data);
int kvm_doorbell(struct vm *vm, gpa_t addr, unsigned size, int fd, bool on) must_check;

#endif
