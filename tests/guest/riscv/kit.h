/*
 * What guests for the RISC-V board share: traps noted, checks, the end. They run on doppel and, to
 * be judged, on qemu-system-riscv64.
 */
#ifndef KIT_H
#define KIT_H

#include <stdint.h>

enum { U = 0, S = 1, M = 3 };

/* start.S knows the order. */
struct trap {
    volatile uint64_t cause, epc, tval, status, mode, count, resume;
};
extern struct trap trap;

int main(void);
void second_hart(uint64_t id);
void finish(void) __attribute__((noreturn));
void check_failed(int line, uint64_t got, uint64_t want);
void put(const char *s);
void put_hex(uint64_t v);

void to_mode(uint64_t mode);
/* By ECALL, from any mode that has not delegated it: back to M. */
void to_m(void);
uint64_t try_load(uint64_t addr);
void try_store(uint64_t addr, uint64_t v);
void try_exec(uint64_t addr);
uint64_t try_load_mprv(uint64_t addr);
uint64_t try_amo(uint64_t addr);
extern char trap_s[];

#define CHECK_EQ(got, want)                                                                        \
    do {                                                                                           \
        uint64_t got_ = (uint64_t)(got), want_ = (uint64_t)(want);                                 \
        if (got_ != want_)                                                                         \
            check_failed(__LINE__, got_, want_);                                                   \
    } while (0)

/* `statement` traps with this cause and value, into this mode. */
#define CHECK_TRAP(statement, wanted_cause, wanted_tval, wanted_mode)                              \
    do {                                                                                           \
        trap.count = 0;                                                                            \
        statement;                                                                                 \
        CHECK_EQ(trap.count, 1);                                                                   \
        CHECK_EQ(trap.cause, wanted_cause);                                                        \
        CHECK_EQ(trap.tval, wanted_tval);                                                          \
        CHECK_EQ(trap.mode, wanted_mode);                                                          \
    } while (0)

#define CHECK_NO_TRAP(statement)                                                                   \
    do {                                                                                           \
        trap.count = 0;                                                                            \
        statement;                                                                                 \
        CHECK_EQ(trap.count, 0);                                                                   \
    } while (0)

#define csr_read(csr)                                                                              \
    ({                                                                                             \
        uint64_t v_;                                                                               \
        __asm__ volatile(".option push\n.option norvc\ncsrr %0, " #csr "\n.option pop"             \
                         : "=r"(v_)::"memory");                                                    \
        v_;                                                                                        \
    })
#define csr_write(csr, v) __asm__ volatile("csrw " #csr ", %0" ::"r"((uint64_t)(v)) : "memory")
#define csr_set(csr, v)   __asm__ volatile("csrs " #csr ", %0" ::"r"((uint64_t)(v)) : "memory")
#define csr_clear(csr, v) __asm__ volatile("csrc " #csr ", %0" ::"r"((uint64_t)(v)) : "memory")
#define insn(text)                                                                                 \
    __asm__ volatile(".option push\n.option norvc\n" text "\n.option pop" ::: "memory")

#define MSTATUS_MIE  (1ull << 3)
#define MSTATUS_SIE  (1ull << 1)
#define MSTATUS_MPP  (3ull << 11)
#define MSTATUS_MPRV (1ull << 17)
#define MSTATUS_SUM  (1ull << 18)
#define MSTATUS_MXR  (1ull << 19)
#define MSTATUS_TVM  (1ull << 20)
#define MSTATUS_TW   (1ull << 21)
#define MSTATUS_TSR  (1ull << 22)
#define INTERRUPT    (1ull << 63)

enum cause {
    FETCH_ACCESS = 1,
    ILLEGAL = 2,
    BREAKPOINT = 3,
    LOAD_MISALIGNED = 4,
    LOAD_ACCESS = 5,
    STORE_MISALIGNED = 6,
    STORE_ACCESS = 7,
    ECALL_U = 8,
    ECALL_S = 9,
    ECALL_M = 11,
    FETCH_PAGE = 12,
    LOAD_PAGE = 13,
    STORE_PAGE = 15,
};

/* All of memory to all modes. */
static inline void open_pmp(void)
{
    csr_write(pmpaddr0, -1ull >> 10);
    csr_write(pmpcfg0, 0x1f);
}

#define CLINT_MSIP(hart)     ((volatile uint32_t *)(0x2000000ull + 4 * (hart)))
#define CLINT_MTIMECMP(hart) ((volatile uint64_t *)(0x2004000ull + 8 * (hart)))
#define CLINT_MTIME          ((volatile uint64_t *)0x200bff8ull)

#endif
