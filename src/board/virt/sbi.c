/*
 * See sbi.h. Dispatch, and the base extension.
 */
#include "board/virt/sbi.h"

enum { A0 = 10, A1 = 11, A6 = 16, A7 = 17 };
enum { EID_LEGACY_LAST = 0x08, EID_BASE = 0x10 };

enum { /* functions of the base extension [SBI 2.0 4] */
       BASE_SPEC_VERSION,
       BASE_IMPL_ID,
       BASE_IMPL_VERSION,
       BASE_PROBE,
       BASE_MVENDORID,
       BASE_MARCHID,
       BASE_MIMPID,
};
/* Not one that is registered: nobody should mistake us for another's bugs. */
enum { SPEC_VERSION = 2 << 24, IMPL_ID = 0x646f70, IMPL_VERSION = 1 };

struct extension {
    uint32_t eid; /* its name's letters */
    struct sbi_ret (*call)(const struct sbi_call *call);
};

static const struct extension extensions[] = {
    {0x54494d45, sbi_time},    /* TIME */
    {0x735049, sbi_ipi},       /* sPI */
    {0x52464e43, sbi_rfence},  /* RFNC */
    {0x48534d, sbi_hsm},       /* HSM */
    {0x53525354, sbi_reset},   /* SRST */
    {0x4442434e, sbi_console}, /* DBCN */
};

static const struct extension *find(uint64_t eid)
{
    for (unsigned i = 0; i < ARRAY_SIZE(extensions); i++)
        if (extensions[i].eid == eid)
            return &extensions[i];
    return NULL;
}

static struct sbi_ret base(const struct sbi_call *call)
{
    switch (call->fid) {
    case BASE_SPEC_VERSION:
        return sbi_value(SPEC_VERSION);
    case BASE_IMPL_ID:
        return sbi_value(IMPL_ID);
    case BASE_IMPL_VERSION:
        return sbi_value(IMPL_VERSION);
    case BASE_PROBE:
        return sbi_value(call->arg[0] == EID_BASE || call->arg[0] <= EID_LEGACY_LAST ||
                         find(call->arg[0]));
    case BASE_MVENDORID: /* as the registers, which are zero */
    case BASE_MARCHID:
    case BASE_MIMPID:
        return sbi_value(0);
    default:
        return sbi_error(SBI_ERR_NOT_SUPPORTED);
    }
}

bool sbi_harts(const struct virt *v, uint64_t mask, uint64_t base_hart, uint32_t *harts)
{
    uint64_t all = (UINT64_C(1) << v->vm->nvcpus) - 1;
    *harts = (uint32_t)all;
    if (base_hart == UINT64_MAX)
        return true;
    if (base_hart >= v->vm->nvcpus)
        return mask == 0;
    *harts = (uint32_t)(mask << base_hart & all);
    return (mask & ~(all >> base_hart)) == 0;
}

/* Only a0 and a1 change. [SBI 2.0 3] */
bool virt_sbi_call(void *opaque, struct riscv_cpu *c)
{
    struct virt_hart *h = opaque;
    const struct sbi_call call = {
        .virt = h->virt, .hart = h, .cpu = c, .fid = c->x[A6], .arg = &c->x[A0]};
    uint64_t eid = c->x[A7];
    /* A guest with M-mode software of its own (a bare ELF) has told its hart where that is. */
    if (c->priv != RISCV_S || c->mtvec)
        return false;
    if (eid <= EID_LEGACY_LAST) {
        c->x[A0] = (uint64_t)sbi_legacy(&call, eid);
        return true;
    }
    const struct extension *e = find(eid);
    struct sbi_ret ret = sbi_error(SBI_ERR_NOT_SUPPORTED);
    if (eid == EID_BASE)
        ret = base(&call);
    else if (e)
        ret = e->call(&call);
    c->x[A0] = (uint64_t)ret.error;
    c->x[A1] = ret.value;
    return true;
}
