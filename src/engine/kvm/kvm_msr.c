/*
 * Model-specific registers, one by one: a KVM that refuses one (its processor lacks it, its version
 * is old) is told so in a warning, and the machine goes on without.
 */
#include <stddef.h>

#include "base/log.h"
#include "engine/kvm/kvm_impl.h"

/* A register, where struct x86_cpu keeps it. */
struct msr_place {
    uint32_t msr;
    uint32_t offset;
};

#define PLACE(m, field)                                                                            \
    {                                                                                              \
        m, offsetof(struct x86_cpu, field)                                                         \
    }

static const struct msr_place places[] = {
    PLACE(MSR_STAR, star),
    PLACE(MSR_LSTAR, lstar),
    PLACE(MSR_CSTAR, cstar),
    PLACE(MSR_FMASK, fmask),
    PLACE(MSR_KERNEL_GS_BASE, kernel_gs_base),
    PLACE(MSR_SYSENTER_CS, sysenter_cs),
    PLACE(MSR_SYSENTER_ESP, sysenter_esp),
    PLACE(MSR_SYSENTER_EIP, sysenter_eip),
    PLACE(MSR_TSC_ADJUST, tsc_adjust),
    PLACE(MSR_TSC_AUX, tsc_aux),
    PLACE(MSR_PAT, pat),
    PLACE(MSR_MISC_ENABLE, misc_enable),
    PLACE(MSR_SPEC_CTRL, spec_ctrl),
    PLACE(MSR_MTRR_DEF_TYPE, mtrr_def_type),
    PLACE(MSR_MTRR_FIX64K, mtrr_fixed[0]),
    PLACE(MSR_MTRR_FIX16K_80000, mtrr_fixed[1]),
    PLACE(MSR_MTRR_FIX16K_A0000, mtrr_fixed[2]),
    PLACE(MSR_MTRR_FIX4K_C0000 + 0, mtrr_fixed[3]),
    PLACE(MSR_MTRR_FIX4K_C0000 + 1, mtrr_fixed[4]),
    PLACE(MSR_MTRR_FIX4K_C0000 + 2, mtrr_fixed[5]),
    PLACE(MSR_MTRR_FIX4K_C0000 + 3, mtrr_fixed[6]),
    PLACE(MSR_MTRR_FIX4K_C0000 + 4, mtrr_fixed[7]),
    PLACE(MSR_MTRR_FIX4K_C0000 + 5, mtrr_fixed[8]),
    PLACE(MSR_MTRR_FIX4K_C0000 + 6, mtrr_fixed[9]),
    PLACE(MSR_MTRR_FIX4K_C0000 + 7, mtrr_fixed[10]),
    PLACE(MSR_MTRR_PHYSBASE0 + 0, mtrr_var[0]),
    PLACE(MSR_MTRR_PHYSBASE0 + 1, mtrr_var[1]),
    PLACE(MSR_MTRR_PHYSBASE0 + 2, mtrr_var[2]),
    PLACE(MSR_MTRR_PHYSBASE0 + 3, mtrr_var[3]),
    PLACE(MSR_MTRR_PHYSBASE0 + 4, mtrr_var[4]),
    PLACE(MSR_MTRR_PHYSBASE0 + 5, mtrr_var[5]),
    PLACE(MSR_MTRR_PHYSBASE0 + 6, mtrr_var[6]),
    PLACE(MSR_MTRR_PHYSBASE0 + 7, mtrr_var[7]),
    PLACE(MSR_MTRR_PHYSBASE0 + 8, mtrr_var[8]),
    PLACE(MSR_MTRR_PHYSBASE0 + 9, mtrr_var[9]),
    PLACE(MSR_MTRR_PHYSBASE0 + 10, mtrr_var[10]),
    PLACE(MSR_MTRR_PHYSBASE0 + 11, mtrr_var[11]),
    PLACE(MSR_MTRR_PHYSBASE0 + 12, mtrr_var[12]),
    PLACE(MSR_MTRR_PHYSBASE0 + 13, mtrr_var[13]),
    PLACE(MSR_MTRR_PHYSBASE0 + 14, mtrr_var[14]),
    PLACE(MSR_MTRR_PHYSBASE0 + 15, mtrr_var[15]),
};

/* struct kvm_msrs with room for one. */
union one_msr {
    struct kvm_msrs list;
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry;
    } one;
};

bool kvm_msr_read(struct kvm_cpu *k, uint32_t msr, uint64_t *v)
{
    union one_msr m = {.one = {.head = {.nmsrs = 1}, .entry = {.index = msr}}};
    if (kvm_ioctl(k->fd, KVM_GET_MSRS, &m) != 1)
        return false;
    *v = m.one.entry.data;
    return true;
}

bool kvm_msr_write(struct kvm_cpu *k, uint32_t msr, uint64_t v)
{
    union one_msr m = {.one = {.head = {.nmsrs = 1}, .entry = {.index = msr, .data = v}}};
    return kvm_ioctl(k->fd, KVM_SET_MSRS, &m) == 1;
}

/* IBRS, STIBP, SSBD: the bits of MSR_SPEC_CTRL that came first. */
enum { OLD_SPEC_CTRL = 7 };

/* A register that is refused while it holds 0 is not missed by anyone. */
static void refused(struct kvm_machine *m, uint32_t msr, uint64_t v)
{
    if (v)
        log_warn_once(&m->warned_msr,
                      "KVM here refuses model-specific register 0x%x (value 0x%llx); the guest "
                      "goes on without",
                      msr, (unsigned long long)v);
}

void kvm_msrs_get(struct kvm_cpu *k, struct x86_cpu *c)
{
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
        kvm_msr_read(k, places[i].msr, (uint64_t *)((char *)c + places[i].offset));
}

void kvm_msrs_put(struct kvm_cpu *k, const struct x86_cpu *c)
{
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        uint64_t v = *(const uint64_t *)((const char *)c + places[i].offset);
        if (kvm_msr_write(k, places[i].msr, v))
            continue;
        refused(k->machine, places[i].msr, v);
        if (places[i].msr == MSR_SPEC_CTRL) /* a bit too new must not cost the guest its IBRS */
            kvm_msr_write(k, MSR_SPEC_CTRL, v & OLD_SPEC_CTRL);
    }
    kvm_msr_write(k, MSR_ARCH_CAPABILITIES, k->machine->arch_capabilities);
}
