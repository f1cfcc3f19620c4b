/*
 * Messages of a real device: the entropy device's queue interrupt through its MSI-X table. Moved to
 * another vector, masked, and moved while it is masked; the machine may be saved in between, with
 * an interrupt pending in the device. [PCI 3.0 6.8.2] [virtio 1.2 4.1.5.1]
 */
#include "guest.h"

enum { RNG = 0x10441af4, CAP_VENDOR = 9, CAP_MSIX = 0x11, CFG_COMMON = 1, CFG_NOTIFY = 2 };
enum { VEC_FIRST = 0x41, VEC_SECOND = 0x52, VEC_THIRD = 0x63 };
enum { DESC_WRITE = 2, MSIX_ENABLE = 0x8000, QUEUE_VECTOR = 1 };

static struct {
    u32 slot, msix_cap;
    volatile u8 *common;
    volatile u16 *bell;
    volatile u32 *entry; /* of QUEUE_VECTOR */
    volatile u32 *pending;
} dev;

static struct {
    struct {
        u64 addr;
        u32 len;
        u16 flags, next;
    } desc[8];
    struct {
        u16 flags, idx, ring[8];
    } avail;
    struct {
        u16 flags, idx;
        struct {
            u32 id, len;
        } ring[8];
    } used;
} queue __attribute__((aligned(4096)));

static volatile u8 random[32];

static u32 config_read(u32 off)
{
    outl(0xcf8, 0x80000000 | dev.slot << 11 | (off & ~3u));
    return inl(0xcfc);
}

static void config_write(u32 off, u32 v)
{
    outl(0xcf8, 0x80000000 | dev.slot << 11 | (off & ~3u));
    outl(0xcfc, v);
}

static u64 bar(u32 n)
{
    return config_read(0x10 + 4 * n) & ~15u;
}

static void find_registers(void)
{
    for (u32 cap = config_read(0x34) & 0xff; cap; cap = config_read(cap) >> 8 & 0xff) {
        u32 head = config_read(cap), type = head >> 24;
        if ((head & 0xff) == CAP_MSIX) {
            dev.msix_cap = cap;
            dev.entry = (u32 *)(bar(config_read(cap + 4) & 7) + 16 * QUEUE_VECTOR);
            dev.pending = (u32 *)(bar(config_read(cap + 8) & 7) + (config_read(cap + 8) & ~7u));
        }
        if ((head & 0xff) != CAP_VENDOR || (type != CFG_COMMON && type != CFG_NOTIFY))
            continue;
        u64 at = bar(config_read(cap + 4) & 0xff) + config_read(cap + 8);
        if (type == CFG_COMMON)
            dev.common = (u8 *)at;
        else
            dev.bell = (u16 *)at;
    }
    CHECK(dev.msix_cap && dev.common && dev.bell);
}

static void find_device(void)
{
    for (dev.slot = 1; dev.slot < 32; dev.slot++) {
        if (config_read(0) == RNG) {
            find_registers();
            return;
        }
    }
    CHECK(0);
}

static void message(u8 vector, u32 mask)
{
    dev.entry[0] = 0xfee00000;
    dev.entry[1] = 0;
    dev.entry[2] = vector;
    dev.entry[3] = mask;
}

static void put_address(u32 off, volatile void *p)
{
    *(volatile u32 *)(dev.common + off) = (u32)(u64)p;
    *(volatile u32 *)(dev.common + off + 4) = 0;
}

static void start_driver(void)
{
    volatile u8 *status = dev.common + 0x14;
    *status = 0;
    *status = 3;
    *(volatile u32 *)(dev.common + 8) = 1; /* the upper features: VERSION_1 */
    *(volatile u32 *)(dev.common + 12) = 1;
    *status = 11;
    CHECK_EQ(*status, 11);
    *(volatile u16 *)(dev.common + 0x16) = 0;
    *(volatile u16 *)(dev.common + 0x18) = 8;
    *(volatile u16 *)(dev.common + 0x1a) = QUEUE_VECTOR;
    CHECK_EQ(*(volatile u16 *)(dev.common + 0x1a), QUEUE_VECTOR);
    put_address(0x20, queue.desc);
    put_address(0x28, &queue.avail);
    put_address(0x30, &queue.used);
    *(volatile u16 *)(dev.common + 0x1c) = 1;
    *status = 15;
}

/* Have some bytes made; returns when they are there, interrupt or not. */
static void ask(void)
{
    volatile u16 *done = &queue.used.idx, *avail = &queue.avail.idx;
    queue.desc[0].addr = (u64)random;
    queue.desc[0].len = sizeof(random);
    queue.desc[0].flags = DESC_WRITE;
    queue.avail.ring[*avail % 8] = 0;
    *avail = (u16)(*avail + 1);
    __asm__ volatile("mfence" ::: "memory");
    *dev.bell = 0;
    while (*done != *avail)
        pause();
}

static void expect(u8 vector, u32 n)
{
    while (taken[vector] < n)
        sti_hlt();
    CHECK_EQ(taken[vector], n);
}

static void stay_away(u8 vector, u32 n)
{
    sti();
    for (u64 t = rdtsc(); rdtsc() - t < 3000000;)
        ;
    cli();
    CHECK_EQ(taken[vector], n);
}

/* The used index moves before the bit does. */
static void wait_pending(void)
{
    while (!(*dev.pending >> QUEUE_VECTOR & 1))
        pause();
}

static void round(u32 n)
{
    message(VEC_FIRST, 0);
    ask();
    expect(VEC_FIRST, 2 * n - 1);
    dev.entry[2] = VEC_SECOND; /* moved under way */
    ask();
    expect(VEC_SECOND, n);
    dev.entry[3] = 1;
    ask();
    wait_pending();
    ask_for_save();
    CHECK_EQ(*dev.pending, 1 << QUEUE_VECTOR);
    stay_away(VEC_SECOND, n);
    message(VEC_THIRD, 0); /* moved while it is masked: what waited goes to the new place */
    expect(VEC_THIRD, n);
    CHECK_EQ(*dev.pending, 0);
    message(VEC_FIRST, 0);
    ask();
    expect(VEC_FIRST, 2 * n);
}

int main(void)
{
    pic_mask_all();
    x2apic_on();
    find_device();
    message(VEC_FIRST, 1);
    config_write(dev.msix_cap, config_read(dev.msix_cap) | MSIX_ENABLE << 16);
    start_driver();
    for (u32 n = 1; n <= 3; n++)
        round(n);
    CHECK_EQ(taken[VEC_FIRST], 6);
    CHECK_EQ(taken[VEC_SECOND], 3);
    return 0;
}
