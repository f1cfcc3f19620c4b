/* Garbage into every device register: the machine may stop working, it may not break the monitor.
 */
#include "guest.h"

static u64 seed = 88172645463325252ull;

static u64 rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void write_any(u64 at, u64 v)
{
    switch (v >> 60 & 3) {
    case 0:
        *(volatile u8 *)at = (u8)v;
        break;
    case 1:
        *(volatile u16 *)at = (u16)v;
        break;
    case 2:
        *(volatile u32 *)at = (u32)v;
        break;
    default:
        *(volatile u64 *)at = v;
        break;
    }
}

static void memory(u64 base, u64 len, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        u64 v = rnd(), at = base + rnd() % len;
        if (v & 1)
            at &= ~7ull;
        write_any(at, rnd());
        (void)*(volatile u32 *)(at & ~3ull);
    }
}

/* Not those that end or reset the machine: debug exit, fast A20 and CF9, keyboard pulses, S5. */
static bool harmless(unsigned port)
{
    return !(port >= 0xf0 && port < 0xf8) && port != 0x92 && !(port >= 0xcf6 && port < 0xcfa) &&
           port != 0x64 && !(port >= 0x600 && port < 0x610);
}

static void ports(unsigned n)
{
    static const u16 bases[] = {0x20, 0xa0, 0x40, 0x60, 0x70, 0x3f8, 0x4d0, 0x510, 0x620, 0xcf8};
    for (unsigned i = 0; i < n; i++) {
        u16 port = (u16)(bases[rnd() % (sizeof(bases) / 2)] + rnd() % 8);
        if (!harmless(port) || !harmless(port + 1) || !harmless(port + 2) || !harmless(port + 3))
            continue;
        u64 v = rnd();
        if (v >> 40 & 1)
            outl(port, (u32)v);
        else
            outb(port, (u8)v);
        (void)inb(port);
        (void)inl(port);
    }
}

/* BARs somewhere sane first, so that device registers are hit and not only configuration space. */
static void devices(unsigned n)
{
    for (unsigned dev = 0; dev < 8; dev++) {
        volatile u32 *cfg = (u32 *)(0xb0000000ull + (dev << 15));
        if (cfg[0] == ~0u)
            continue;
        for (unsigned bar = 0; bar < 6; bar++) {
            u64 at = cfg[4 + bar] & ~15u;
            if (at >= 0xc0000000 && at < 0xfec00000)
                memory(at, 0x4000, n);
        }
    }
}

int main(void)
{
    unsigned n = 300;
    devices(n);
    ports(n * 4);
    memory(0xfec00000, 0x1000, n);
    memory(0xfee00000, 0x1000, n);
    memory(0xb0000000, 8 << 15, n);
    devices(n);
    return 0;
}
