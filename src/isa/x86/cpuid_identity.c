/*
 * Vendor, family and model of a CPU model, and what else guests look up by them.
 */
#include <cpuid.h>
#include <string.h>

#include "isa/x86/cpuid.h"

#define BIT(n) (1u << (n))

/* Of leaf 7 EDX, what only Intel's have: ARCH_CAPABILITIES. */
#define INTEL_LEAF7_EDX BIT(29)
/* 80000001 ECX: CMP_LEGACY, for how AMD's count their cores. */
#define AMD_EXT1_ECX BIT(1)
/*
 * 80000008 EBX: IBPB IBRS STIBP, both always on, IBRS preferred, same mode; SSBD SSB_NO PSFD BTC_NO
 * IBPB_RET. 80000021 EAX: LFENCE serialises, null selectors clear bases, SBPB IBPB_BRTYPE SRSO_NO.
 * [AMD64 APM 3 E.4] Under the interpreter all of it is so; KVM says what of it is.
 */
#define AMD_EXT8_EBX                                                                               \
    (BIT(12) | BIT(14) | BIT(15) | BIT(16) | BIT(17) | BIT(18) | BIT(19) | BIT(24) | BIT(26) |     \
     BIT(28) | BIT(29) | BIT(30))
#define AMD_EXT21_EAX (BIT(2) | BIT(6) | BIT(27) | BIT(28) | BIT(29))

static const char names[][13] = {[CPUID_INTEL] = "GenuineIntel", [CPUID_AMD] = "AuthenticAMD"};

bool cpuid_host_identity(struct cpuid_identity *id)
{
    uint32_t max, name[3], a, b, c, d;
    __cpuid(0, max, name[0], name[2], name[1]); /* in EBX, EDX, ECX */
    __cpuid(1, a, b, c, d);
    for (unsigned v = 0; v < sizeof(names) / sizeof(names[0]); v++) {
        if (memcmp(name, names[v], sizeof(name)) != 0)
            continue;
        *id = (struct cpuid_identity){(uint8_t)v, a};
        return true;
    }
    return false;
}

static struct cpuid_leaf *leaf_of(struct cpuid_model *m, uint32_t leaf)
{
    for (unsigned i = 0; i < m->n; i++) {
        if (m->leaves[i].leaf == leaf)
            return &m->leaves[i];
    }
    m->leaves[m->n] = (struct cpuid_leaf){.leaf = leaf};
    return &m->leaves[m->n++];
}

static void set_name(struct cpuid_leaf *l, const char *name)
{
    memcpy(&l->ebx, name, 4);
    memcpy(&l->edx, name + 4, 4);
    memcpy(&l->ecx, name + 8, 4);
}

static void identify_amd(struct cpuid_model *m)
{
    uint32_t ncpus = leaf_of(m, 1)->ebx >> 16 & 0xff;
    leaf_of(m, 7)->edx &= ~INTEL_LEAF7_EDX;
    leaf_of(m, 0x80000000)->eax = 0x80000021;
    set_name(leaf_of(m, 0x80000000), names[CPUID_AMD]);
    leaf_of(m, 0x80000001)->eax = m->id.signature;
    leaf_of(m, 0x80000001)->ecx |= ncpus > 1 ? AMD_EXT1_ECX : 0;
    leaf_of(m, 0x80000008)->ebx = AMD_EXT8_EBX;
    leaf_of(m, 0x80000008)->ecx = ncpus - 1;
    leaf_of(m, 0x80000021)->eax = AMD_EXT21_EAX;
}

void cpuid_identify(struct cpuid_model *m, struct cpuid_identity id)
{
    m->id = id;
    set_name(leaf_of(m, 0), names[id.vendor]);
    leaf_of(m, 1)->eax = id.signature;
    if (id.vendor == CPUID_AMD)
        identify_amd(m);
}
