/*
 * Four harts: atomics count right, locks exclude, messages arrive in order, wake-ups come.
 */
#include "kit.h"

enum { HARTS = 4, ROUNDS = 20000 };

static uint64_t started, amo_count, lrsc_count, locked_count, done;
static volatile uint32_t lock;
static uint64_t flag, message;

static void add_amo(uint64_t *p)
{
    __atomic_fetch_add(p, 1, __ATOMIC_RELAXED);
}

static void add_lrsc(uint64_t *p)
{
    uint64_t t, fail;
    __asm__ volatile("1: lr.d %0, (%2)\naddi %0, %0, 1\nsc.d %1, %0, (%2)\nbnez %1, 1b"
                     : "=&r"(t), "=&r"(fail)
                     : "r"(p)
                     : "memory");
}

static void add_locked(uint64_t *p)
{
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
        ;
    *p = *p + 1;
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

static void work(void)
{
    __atomic_fetch_add(&started, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&started, __ATOMIC_SEQ_CST) < HARTS)
        ;
    for (int i = 0; i < ROUNDS; i++) {
        add_amo(&amo_count);
        add_lrsc(&lrsc_count);
        if (i % 16 == 0)
            add_locked(&locked_count);
    }
    __atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
}

/* Hart 1 answers each message; an MSIP wakes it. */
void second_hart(uint64_t id)
{
    work();
    if (id != 1)
        return;
    csr_write(mie, 8);
    for (uint64_t want = 1; want <= 50; want++) {
        while (__atomic_load_n(&flag, __ATOMIC_ACQUIRE) != want)
            insn("wfi");
        if (message != want * 3)
            __atomic_store_n(&flag, -1ull, __ATOMIC_RELEASE);
        *CLINT_MSIP(1) = 0;
        __atomic_store_n(&flag, want | 1ull << 32, __ATOMIC_RELEASE);
    }
}

static void send_messages(void)
{
    for (uint64_t i = 1; i <= 50; i++) {
        message = i * 3;
        __atomic_store_n(&flag, i, __ATOMIC_RELEASE);
        *CLINT_MSIP(1) = 1;
        uint64_t v;
        while ((v = __atomic_load_n(&flag, __ATOMIC_ACQUIRE)) == i)
            ;
        CHECK_EQ(v, i | 1ull << 32);
    }
}

int main(void)
{
    work();
    while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) < HARTS)
        ;
    CHECK_EQ(amo_count, HARTS * ROUNDS);
    CHECK_EQ(lrsc_count, HARTS * ROUNDS);
    CHECK_EQ(locked_count, HARTS * ROUNDS / 16);
    send_messages();
    return 0;
}
