/*
 * Extension A on the host's atomics. [RISC-V unpriv 8]
 *
 * A reservation is the address and the value that LR saw; SC swaps if memory still has that value.
 * So SC may succeed where another hart wrote and wrote back (the ABA case), which no program can
 * tell from an SC in the same place of the memory order: the value is the one that LR read.
 * All orders are sequentially consistent, which aq and rl only weaken.
 */
#include "isa/riscv/access.h"
#include "isa/riscv/exec.h"

/* Where an atomic access may be done in place; NULL: by load and compare-and-swap through the
 * engine. Misaligned ones trap: no host does them as one. */
static inline void *amo_ptr(struct riscv_cpu *c, const struct riscv_op *op, gva_t va, unsigned size)
{
    c->op = op;
    if (unlikely(va & (size - 1)))
        riscv_raise(c, RISCV_EXC_STORE_MISALIGNED, va);
    void *p;
    return riscv_write_at(c, op, va, size, &p) ? p : c->slow->rmw_ptr(c, va, size);
}

/* Each makes the two widths: T has the signedness that the operation wants. `w` is what memory
 * gets from its old value `m` and the register `r`. */
#define RISCV_EXEC_AMO(name, T, w)                                                                 \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        gva_t va = RISCV_REG(c, op->rs1);                                                          \
        const T r = (T)RISCV_REG(c, op->rs2);                                                      \
        T *p = amo_ptr(c, op, va, sizeof(T));                                                      \
        T m = p ? __atomic_load_n(p, __ATOMIC_RELAXED) : (T)c->slow->load(c, va, sizeof(T));       \
        if (likely(p != NULL)) {                                                                   \
            while (!__atomic_compare_exchange_n(p, &m, (T)(w), true, __ATOMIC_SEQ_CST,             \
                                                __ATOMIC_SEQ_CST))                                 \
                ;                                                                                  \
        } else {                                                                                   \
            while (!c->slow->cas(c, va, sizeof(T), (uint64_t)m, (uint64_t)(T)(w)))                 \
                m = (T)c->slow->load(c, va, sizeof(T));                                            \
        }                                                                                          \
        RISCV_REG(c, op->rd) = (uint64_t)(sizeof(T) == 4 ? (int64_t)(int32_t)m : (int64_t)m);      \
        riscv_next(c, op);                                                                         \
    }

RISCV_EXEC_AMO(amoswap_w, uint32_t, r)
RISCV_EXEC_AMO(amoadd_w, uint32_t, m + r)
RISCV_EXEC_AMO(amoxor_w, uint32_t, m ^ r)
RISCV_EXEC_AMO(amoand_w, uint32_t, m &r)
RISCV_EXEC_AMO(amoor_w, uint32_t, m | r)
RISCV_EXEC_AMO(amomin_w, int32_t, m < r ? m : r)
RISCV_EXEC_AMO(amomax_w, int32_t, m > r ? m : r)
RISCV_EXEC_AMO(amominu_w, uint32_t, m < r ? m : r)
RISCV_EXEC_AMO(amomaxu_w, uint32_t, m > r ? m : r)
RISCV_EXEC_AMO(amoswap_d, uint64_t, r)
RISCV_EXEC_AMO(amoadd_d, uint64_t, m + r)
RISCV_EXEC_AMO(amoxor_d, uint64_t, m ^ r)
RISCV_EXEC_AMO(amoand_d, uint64_t, m &r)
RISCV_EXEC_AMO(amoor_d, uint64_t, m | r)
RISCV_EXEC_AMO(amomin_d, int64_t, m < r ? m : r)
RISCV_EXEC_AMO(amomax_d, int64_t, m > r ? m : r)
RISCV_EXEC_AMO(amominu_d, uint64_t, m < r ? m : r)
RISCV_EXEC_AMO(amomaxu_d, uint64_t, m > r ? m : r)

static inline gva_t reserve_address(struct riscv_cpu *c, const struct riscv_op *op, unsigned size)
{
    gva_t va = RISCV_REG(c, op->rs1);
    c->op = op;
    if (unlikely(va & (size - 1)))
        riscv_raise(c, RISCV_EXC_LOAD_MISALIGNED, va);
    return va;
}

static inline void reserve(struct riscv_cpu *c, const struct riscv_op *op, gva_t va, uint64_t v)
{
    c->reserved_addr = va;
    c->reserved_value = v;
    RISCV_REG(c, op->rd) = v;
}

void riscv_exec_lr_w(struct riscv_cpu *c, const struct riscv_op *op)
{
    gva_t va = reserve_address(c, op, 4);
    reserve(c, op, va, riscv_sext32(riscv_load_u32(c, op, va)));
    atomic_thread_fence(memory_order_acquire);
    riscv_next(c, op);
}

void riscv_exec_lr_d(struct riscv_cpu *c, const struct riscv_op *op)
{
    gva_t va = reserve_address(c, op, 8);
    reserve(c, op, va, riscv_load_u64(c, op, va));
    atomic_thread_fence(memory_order_acquire);
    riscv_next(c, op);
}

#define RISCV_EXEC_SC(name, T)                                                                     \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        gva_t va = RISCV_REG(c, op->rs1);                                                          \
        T *p = amo_ptr(c, op, va, sizeof(T)), old = (T)c->reserved_value;                          \
        const T v = (T)RISCV_REG(c, op->rs2);                                                      \
        bool done = c->reserved_addr == va;                                                        \
        if (done && p)                                                                             \
            done = __atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_SEQ_CST,                \
                                               __ATOMIC_SEQ_CST);                                  \
        else if (done)                                                                             \
            done = c->slow->cas(c, va, sizeof(T), old, v);                                         \
        c->reserved_addr = RISCV_NO_RESERVATION;                                                   \
        RISCV_REG(c, op->rd) = !done;                                                              \
        riscv_next(c, op);                                                                         \
    }

RISCV_EXEC_SC(sc_w, uint32_t)
RISCV_EXEC_SC(sc_d, uint64_t)
