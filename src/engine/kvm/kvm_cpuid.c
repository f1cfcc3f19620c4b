/*
 * The guest's CPUID: the machine's model, less what this KVM cannot do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kvm/kvm_impl.h"

enum { MAX_ENTRIES = 256, TSC_DEADLINE_BIT = 24 };
enum { EAX = 1, EBX = 2, ECX = 4, EDX = 8 };

/* Leaves that hold feature bits, and in which registers. The others are numbers. */
static const struct {
    uint32_t leaf, subleaf;
    unsigned regs;
} feature_leaves[] = {
    {1, 0, ECX | EDX},    {7, 0, EBX | ECX | EDX}, {7, 2, EDX},
    {0xd, 0, EAX | EDX},  {0xd, 1, EAX},           {0x80000001, 0, ECX | EDX},
    {0x80000007, 0, EDX}, {0x80000008, 0, EBX},    {0x80000021, 0, EAX},
};

static int get_supported(struct kvm_machine *m, struct error *err)
{
    m->supported =
        calloc(1, sizeof(*m->supported) + MAX_ENTRIES * sizeof(m->supported->entries[0]));
    if (!m->supported)
        return error_set(err, ENOMEM, "there is no memory for a virtual machine");
    m->supported->nent = MAX_ENTRIES;
    return kvm_call(m->sys, KVM_GET_SUPPORTED_CPUID, m->supported, "list its CPU features", err);
}

/*
 * Unlike the interpreter KVM runs the guest on this host's silicon, with the leaks that has: the
 * model may only claim what KVM says is so. Without a list of its own KVM claims nothing.
 */
static uint64_t true_arch_capabilities(struct kvm_machine *m)
{
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry;
    } msr = {.head = {.nmsrs = 1}, .entry = {.index = MSR_ARCH_CAPABILITIES}};
    if (kvm_ioctl(m->sys, KVM_CHECK_EXTENSION, (void *)KVM_CAP_GET_MSR_FEATURES) <= 0 ||
        kvm_ioctl(m->sys, KVM_GET_MSRS, &msr) != 1)
        return 0;
    return msr.entry.data & CPUID_ARCH_CAPABILITIES;
}

int kvm_cpuid_init(struct kvm_machine *m, struct error *err)
{
    m->has_tsc_deadline =
        kvm_ioctl(m->sys, KVM_CHECK_EXTENSION, (void *)KVM_CAP_TSC_DEADLINE_TIMER) > 0;
    m->arch_capabilities = true_arch_capabilities(m);
    return get_supported(m, err);
}

static const struct kvm_cpuid_entry2 *find(const struct kvm_machine *m, uint32_t leaf,
                                           uint32_t subleaf)
{
    for (unsigned i = 0; i < m->supported->nent; i++) {
        const struct kvm_cpuid_entry2 *e = &m->supported->entries[i];
        if (e->function == leaf && e->index == subleaf)
            return e;
    }
    return NULL;
}

static void keep(uint32_t *reg, uint32_t offered, bool filtered)
{
    if (filtered)
        *reg &= offered;
}

/* Some bits KVM provides without listing them here. */
static uint32_t offered_ecx1(const struct kvm_machine *m, uint32_t listed)
{
    uint32_t always = 1u << 21 | 1u << 31; /* x2APIC with its own APICs; "hypervisor present" */
    return listed | always | (uint32_t)m->has_tsc_deadline << TSC_DEADLINE_BIT;
}

static void filter(const struct kvm_machine *m, struct kvm_cpuid_entry2 *e)
{
    static const struct kvm_cpuid_entry2 nothing;
    for (unsigned i = 0; i < ARRAY_SIZE(feature_leaves); i++) {
        unsigned regs = feature_leaves[i].regs;
        if (e->function != feature_leaves[i].leaf || e->index != feature_leaves[i].subleaf)
            continue;
        const struct kvm_cpuid_entry2 *o = find(m, e->function, e->index);
        if (!o)
            o = &nothing;
        keep(&e->eax, o->eax, regs & EAX);
        keep(&e->ebx, o->ebx, regs & EBX);
        keep(&e->ecx, e->function == 1 ? offered_ecx1(m, o->ecx) : o->ecx, regs & ECX);
        keep(&e->edx, o->edx, regs & EDX);
    }
}

/* Answers for one CPU. KVM itself keeps OSXSAVE, the APIC bit and the XSAVE sizes current. */
static void fill(struct kvm_cpuid_entry2 *e, const struct cpuid_leaf *l, const struct x86_cpu *c)
{
    uint32_t out[4];
    cpuid_query(c, l->leaf, l->subleaf, out);
    *e = (struct kvm_cpuid_entry2){.function = l->leaf,
                                   .index = l->subleaf,
                                   .flags = l->has_subleaf ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
                                   .eax = out[0],
                                   .ebx = out[1],
                                   .ecx = out[2],
                                   .edx = out[3]};
}

/* TSC = crystal (ecx) * ebx / eax. */
static void tell_frequency(struct kvm_cpuid_entry2 *e, uint64_t khz)
{
    if (e->function != 0x15)
        return;
    e->eax = 1000;
    e->ebx = (uint32_t)khz;
    e->ecx = 1000000;
}

static int set(struct kvm_cpu *k, const struct x86_cpu *c, struct error *err)
{
    const struct cpuid_model *model = c->model;
    struct kvm_cpuid2 *list =
        calloc(1, sizeof(*list) + CPUID_MAX_LEAVES * sizeof(list->entries[0]));
    if (!list)
        return error_set(err, ENOMEM, "there is no memory for a virtual CPU");
    list->nent = model->n;
    for (unsigned i = 0; i < model->n; i++) {
        fill(&list->entries[i], &model->leaves[i], c);
        filter(k->machine, &list->entries[i]);
        tell_frequency(&list->entries[i], k->tsc_khz);
    }
    int r = kvm_call(k->fd, KVM_SET_CPUID2, list, "give the guest its CPU model", err);
    free(list);
    return r;
}

int kvm_cpuid_put(struct kvm_cpu *k, const struct x86_cpu *c, struct error *err)
{
    int r = k->has_cpuid ? 0 : set(k, c, err);
    k->has_cpuid |= r == 0;
    return r;
}
